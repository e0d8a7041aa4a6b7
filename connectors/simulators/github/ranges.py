"""Ranges of times and numbers as GitHub's search writes them: `>=A`, `<B`, `A..B`, `*..B` or a single value."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from connectors.simulators.github.listing import parse_instant

DAY_S = 86_400


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """Whole numbers from `first` to `last`, both included; None is unbounded."""

    first: int | None = None
    last: int | None = None


def in_range(bounds: Range, value: int) -> bool:
    """Return whether a value lies within the range."""
    return (bounds.first is None or value >= bounds.first) and (bounds.last is None or value <= bounds.last)


def parse_range(text: str) -> Range | None:
    """Read a range of times in epoch seconds, or return None when it is none; a date means that whole day."""
    return _parse(text, _time_span)


def parse_number_range(text: str) -> Range | None:
    """Read a range of whole numbers, or return None when it is none."""
    return _parse(text, _number_span)


def _parse(text: str, span: Callable[[str], tuple[int, int]]) -> Range | None:
    try:
        if ".." in text:
            low, _, high = text.partition("..")
            return Range(
                first=None if low == "*" else span(low)[0],
                last=None if high == "*" else span(high)[1],
            )
        for sign in (">=", "<=", ">", "<"):
            if text.startswith(sign):
                return _one_sided(sign, span(text.removeprefix(sign)))
        first, last = span(text)
    except ValueError:
        return None
    return Range(first=first, last=last)


def _one_sided(sign: str, span: tuple[int, int]) -> Range:
    first, last = span
    return {
        ">=": Range(first=first),
        ">": Range(first=last + 1),
        "<=": Range(last=last),
        "<": Range(last=first - 1),
    }[sign]


def _time_span(text: str) -> tuple[int, int]:
    first = parse_instant(text)
    return first, first + (DAY_S - 1 if "T" not in text else 0)


def _number_span(text: str) -> tuple[int, int]:
    number = int(text)
    return number, number
