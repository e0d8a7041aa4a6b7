"""The text of audit records that are written together: JSON, one record a line. Pure.

Records that differ in a few fields alone are written once in full; `{"like": 3, ..}` is like the record three lines
before it in the same text, but for the fields that it has itself.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

LIKE = '{"like":'


class GroupText:
    """Lines of one tenant, in the order in which they come."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._places: dict[str, int] = {}

    def add(self, own: str, common: str) -> None:
        """Add a record by the members of its JSON object, without braces; equal `common` ones are written once.

        Records with the same `common` have members of the same names in `own`.
        """
        place = self._places.setdefault(common, len(self.lines)) if common else len(self.lines)
        back = len(self.lines) - place
        if back:
            self.lines.append(f"{LIKE}{back},{own}}}")
        else:
            self.lines.append(f"{{{own},{common}}}" if common else f"{{{own}}}")

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
        full.append(json.dumps({**json.loads(full[place - back]), **own}, ensure_ascii=False, separators=(",", ":")))
    return full
