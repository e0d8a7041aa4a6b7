"""Slows guessing down: after some failed log-ins further ones fail for a while, even with the right password.

Failures are counted for a user from an address, for an address, and for a user from anywhere. The first bound is low
and the others are high, so that who guesses keeps out himself before he keeps out others. The client is told what it is
told of a wrong password; whether the user exists makes no difference. Counts are of this process.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

import structlog

FORGET_S = 900.0
"""Failures count no longer when none was added for this time."""
COUNTED_MAX = 20_000
WAIT_FIRST_S = 1.0

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Bound:
    """How many failures have no consequence, and the longest wait that more of them lead to."""

    free: int
    wait_max_s: float


USER_AT_ADDRESS = Bound(free=5, wait_max_s=300.0)
ADDRESS = Bound(free=100, wait_max_s=60.0)
USER = Bound(free=100, wait_max_s=60.0)


@dataclass(slots=True)
class _Count:
    failures: int = 0
    last_s: float = 0.0
    closed_until_s: float = 0.0


class Lockout:
    """Counts failures; times are of a clock that does not jump."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._counts: OrderedDict[tuple[str, ...], _Count] = OrderedDict()

    def is_closed(self, database: str, user: str, address: str) -> bool:
        """Say whether a log-in is to fail whatever its password is."""
        now_s = self._clock()
        closed = any(
            count.closed_until_s > now_s
            for key, _ in _keys(database, user, address)
            if (count := self._counts.get(key)) is not None
        )
        if closed:
            _log.warning("log_in_locked_out", tenant=database, principal=user)
        return closed

    def failed(self, database: str, user: str, address: str) -> None:
        """Count a failure; one while the way is closed keeps it closed for longer."""
        now_s = self._clock()
        for key, bound in _keys(database, user, address):
            count = self._counts.pop(key, None)
            if count is None or now_s - count.last_s > FORGET_S:
                count = _Count()
            count.failures += 1
            count.last_s = now_s
            beyond = count.failures - bound.free
            if beyond >= 0:
                # The exponent is bounded because nobody waits for a power that large.
                count.closed_until_s = now_s + min(bound.wait_max_s, WAIT_FIRST_S * 2 ** min(beyond, 30))
            self._counts[key] = count
        while len(self._counts) > COUNTED_MAX:
            self._counts.popitem(last=False)

    def succeeded(self, database: str, user: str, address: str) -> None:
        """Forget the failures of a user from an address that has logged in."""
        self._counts.pop(("both", database, user, address), None)


def _keys(database: str, user: str, address: str) -> tuple[tuple[tuple[str, ...], Bound], ...]:
    return (
        (("both", database, user, address), USER_AT_ADDRESS),
        (("address", address), ADDRESS),
        (("user", database, user), USER),
    )
