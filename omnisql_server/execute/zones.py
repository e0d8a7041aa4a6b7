"""Which time zones have the same rules in PostgreSQL 18 and DuckDB 1.5: all but a few that changed lately. Pure.

DuckDB's ICU has the time zone data of its own release; `tests/differential/test_time_proofs.py` compares every zone
that PostgreSQL knows.
"""

from __future__ import annotations

import re

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+)*")

UNLIKE = frozenset(
    {
        "africa/casablanca",
        "africa/el_aaiun",
        "america/edmonton",
        "america/vancouver",
        "america/yellowknife",
        "canada/mountain",
        "canada/pacific",
        "cet",
        "eet",
        "est",
        "hst",
        "met",
        "mst",
        "wet",
    }
)
"""In lower case: PostgreSQL takes the name of a zone in any."""


def is_alike(zone: str) -> bool:
    """Say whether a time zone has a name, and the same rules in both engines."""
    return _NAME.fullmatch(zone) is not None and zone.lower() not in UNLIKE
