"""How many examples a test tries: a bounded number, the same every time, or in `make fuzz` many others.

To be imported by test modules only: when conftest.py is read, the profile is not chosen yet.
"""

from __future__ import annotations

from hypothesis import HealthCheck, settings

FUZZING = settings.get_current_profile_name() == "fuzz"
as_profiled = settings(
    derandomize=not FUZZING,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
