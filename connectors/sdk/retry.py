"""When to try again and after how long: bounded attempts, full jitter. Pure but for the randomness it is given."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from connectors.sdk.errors import Retryable, SourceTimeout


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """How often one request is tried.

    A source that does not answer costs a whole timeout per attempt, therefore its own, lower bound.
    """

    attempts_max: int = 4
    timeout_attempts_max: int = 2
    delay_initial_s: float = 0.5
    delay_max_s: float = 15.0

    def attempts_for(self, failure: Retryable) -> int:
        """Return how many attempts a failure of this kind may take in all."""
        return self.timeout_attempts_max if isinstance(failure, SourceTimeout) else self.attempts_max

    def delay_s(self, attempt: int, random: Callable[[], float]) -> float:
        """Return how long to wait after the given attempt (from 1): anywhere up to the exponential bound."""
        # Full jitter: a random point of the whole interval keeps many waiting sessions from returning together.
        return min(self.delay_max_s, self.delay_initial_s * 2.0 ** (attempt - 1)) * random()
