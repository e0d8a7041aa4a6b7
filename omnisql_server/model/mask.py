"""How policy shows a column's values. Frozen values."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from connectors.sdk.scan import Value


class MaskKind(StrEnum):
    """The ways of masking, the strongest first: of several masks on a column the strongest holds.

    `NULL` hides the value; `CONST` shows one value; `REDACT` shows that there is a text; `HASH` shows a code that is
    equal where values are; `BUCKET` rounds numbers down; `TRUNCATE_DATE` shows the beginning of a period; `PARTIAL`
    shows some characters.
    """

    NULL = "null"
    CONST = "const"
    REDACT = "redact"
    HASH = "hash"
    BUCKET = "bucket"
    TRUNCATE_DATE = "truncate_date"
    PARTIAL = "partial"


DATE_UNITS = ("year", "quarter", "month", "week", "day")


@dataclass(frozen=True, slots=True, kw_only=True)
class Mask:
    """One policy's mask on a column; which of the arguments matter depends on its kind.

    `value` is what CONST shows, `width` BUCKET's, `unit` one of `DATE_UNITS`; PARTIAL shows as many characters as
    `first` and `last` say, and `character` for each of the others.
    """

    policy: str
    kind: MaskKind
    value: Value = None
    width: int | float = 1
    unit: str = "year"
    first: int = 0
    last: int = 0
    character: str = "*"

    @property
    def needs_value(self) -> bool:
        """Say whether what is shown depends on what there is."""
        return self.kind not in (MaskKind.NULL, MaskKind.CONST)
