"""Fixed windows of requests, as the vendors count them: the first request opens a window that ends `window_s` later."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class RateLimit:
    limit: int
    window_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowState:
    """What the headers of a response say about a window; `reset_s` is in epoch seconds."""

    limit: int
    used: int
    reset_s: float

    @property
    def remaining(self) -> int:
        return max(0, self.limit - self.used)


class RateWindow:
    """One window of one bucket."""

    def __init__(self) -> None:
        self._used = 0
        self._reset_s = 0.0

    def state(self, rate: RateLimit, now_s: float) -> WindowState:
        """Return the state of the window without counting anything."""
        self._roll(rate, now_s)
        return WindowState(limit=rate.limit, used=self._used, reset_s=self._reset_s)

    def take(self, rate: RateLimit, now_s: float, units: int = 1) -> bool:
        """Count one request; return whether it was within the limit. A refused request is not counted."""
        self._roll(rate, now_s)
        if self._used + units > rate.limit:
            return False
        self._used += units
        return True

    def give_back(self) -> None:
        """Take back one counted request, because its answer turned out to be free."""
        self._used = max(0, self._used - 1)

    def _roll(self, rate: RateLimit, now_s: float) -> None:
        # The second condition follows a limit that was made shorter while its window was open.
        if now_s >= self._reset_s or self._reset_s > now_s + rate.window_s:
            self._used = 0
            self._reset_s = now_s + rate.window_s
