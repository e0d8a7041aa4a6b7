"""Faults that a simulator can be told to commit: one by one, in order, or at random with a rate for each status."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any

STATUS_MIN = 400
STATUS_MAX = 599
FLAGS = ("truncate_json", "hang", "disconnect", "repeat_page", "incomplete_results", "hold", "none")
"""`hold` answers once it is told to let go, `none` at once: it lets requests pass before another fault."""


class InvalidConfigurationError(ValueError):
    """A control request asked for something that a simulator cannot do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One fault: either a status with headers and body, or exactly one of the flags in `FLAGS`."""

    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Any = None
    flag: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the fault as it is written in a configuration."""
        if self.flag is not None:
            return {self.flag: True}
        written: dict[str, Any] = {"status": self.status}
        if self.headers:
            written["headers"] = dict(self.headers)
        if self.body is not None:
            written["body"] = self.body
        return written


def parse_fault(written: Any) -> Fault:
    """Read one entry of the list `next`.

    Raises:
        InvalidConfigurationError: the entry is not a fault.
    """
    if not isinstance(written, dict):
        raise InvalidConfigurationError(f"a fault must be an object, not {written!r}")
    flags = [name for name in FLAGS if written.get(name) is True]
    if len(flags) == 1 and len(written) == 1:
        return Fault(flag=flags[0])
    unknown = set(written) - {"status", "headers", "body"}
    if unknown or "status" not in written:
        known = ", ".join(("status", "headers", "body", *FLAGS))
        raise InvalidConfigurationError(f"not a fault: {written!r}; known keys are {known}")
    headers = written.get("headers", {})
    if not isinstance(headers, dict):
        raise InvalidConfigurationError(f"headers must be an object, not {headers!r}")
    return Fault(
        status=parse_status(written["status"]),
        headers={str(name): str(value) for name, value in headers.items()},
        body=written.get("body"),
    )


def parse_status(written: Any) -> int:
    """Read an HTTP error status, given as a number or, being a JSON key, as text.

    Raises:
        InvalidConfigurationError: it is not a number from 400 to 599.
    """
    if isinstance(written, str) and written.isascii() and written.isdigit():
        written = int(written)
    if isinstance(written, bool) or not isinstance(written, int) or not STATUS_MIN <= written <= STATUS_MAX:
        raise InvalidConfigurationError(f"a fault status must be {STATUS_MIN} to {STATUS_MAX}, not {written!r}")
    return written


def draw_fault(rates: Mapping[int, float], random: Random) -> Fault | None:
    """Return a fault with the given probability for each status, or None; the rates sum to at most 1."""
    draw = random.random()
    for status, rate in sorted(rates.items()):
        if draw < rate:
            return Fault(status=status)
        draw -= rate
    return None
