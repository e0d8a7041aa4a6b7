"""The text of audit records that are written together: JSON, one record a line. Pure.

What several records have in common is written once: `{"like": 3, ..}` is like the record three lines before it in the
same text, but for the fields that it has itself. `after_us` in such a line stands for two more of them: its `at` is so
many microseconds after that record's, and its `query_id` is its `id`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import NamedTuple

LIKE = '{"like":'
MICROSECOND = timedelta(microseconds=1)


class Again(NamedTuple):
    """A record of something that happens again and again; `common` are the other members of its JSON object."""

    common: str
    client: str
    trace_id: str
    at_us: int
    """Since 1970."""


class GroupText:
    """Lines of one tenant, in the order in which they come; `salt` is that of what happens again and again."""

    def __init__(self, salt: str) -> None:
        self.lines: list[str] = []
        self._salt = salt
        self._firsts: dict[str, tuple[int, Again]] = {}

    def add(self, record: str) -> None:
        """Add a record's JSON object."""
        self.lines.append(record)

    def add_again(self, again: Again, identity: str) -> None:
        """Add a record under an id of its own, which needs no quoting; what it has in common is written once."""
        common, client, trace_id, at_us = again
        known = self._firsts.get(common)
        if known is None:
            self._firsts[common] = (len(self.lines), again)
            self.lines.append(
                f'{{"id":"{identity}","at":"{moment(at_us)}","client":{json.dumps(client)},"query_id":"{identity}",'
                f'"trace_id":"{trace_id}","salt":"{self._salt}",{common}}}'
            )
            return
        place, first = known
        other = "" if client == first.client else f',"client":{json.dumps(client)}'
        if trace_id != first.trace_id:
            other += f',"trace_id":"{trace_id}"'
        back = len(self.lines) - place
        self.lines.append(f'{{"like":{back},"id":"{identity}","after_us":{at_us - first.at_us}{other}}}')

    @property
    def text(self) -> str:
        """Return the text; a record never holds a line feed."""
        return "\n".join(self.lines)


def in_full(lines: Sequence[str]) -> list[str]:
    """Return the records of a text's lines as JSON, each with all its fields.

    Raises:
        ValueError: one is like a record that is not there, or is no JSON object.
    """
    full: list[str] = []
    for place, line in enumerate(lines):
        if not line.startswith(LIKE):
            full.append(line)
            continue
        own = json.loads(line)
        back = own.pop("like")
        if not (isinstance(back, int) and 0 < back <= place):
            raise ValueError("a record is like one that is not there")
        own = _alike(json.loads(full[place - back]), own)
        full.append(json.dumps(own, ensure_ascii=False, separators=(",", ":")))
    return full


def moment(at_us: int) -> str:
    """Return a time in microseconds since 1970 as a record's `at`: in UTC, to the microsecond."""
    second, microsecond = divmod(at_us, 1_000_000)
    return f"{_second(second)}.{microsecond:06}+00:00"


@lru_cache(maxsize=2)
def _second(second: int) -> str:
    """Return a second since 1970 as text, which many records have in common."""
    return datetime.fromtimestamp(second, UTC).replace(tzinfo=None).isoformat()


def _alike(record: dict[str, object], own: dict[str, object]) -> dict[str, object]:
    """Return a record like another, but for its own fields."""
    if "after_us" not in own:
        return {**record, **own}
    after_us, at, identity = own.pop("after_us"), record.get("at"), own.get("id")
    if not (isinstance(after_us, int) and isinstance(at, str)):
        raise ValueError("a record's time is not so many microseconds after another's")
    try:
        later = datetime.fromisoformat(at) + after_us * MICROSECOND
    except OverflowError as error:
        raise ValueError("a record's time is none") from error
    return {**record, **own, "at": later.isoformat(timespec="microseconds"), "query_id": identity}
