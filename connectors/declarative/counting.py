"""Totals of listings that an API tells with any page of them, as access paths that count. The noun and its rules; pure.

Of a listing with a total two paths are made: one that counts it whole, and one that counts it for each value of a
column. That the values are all there are is not taken on trust: they have to add up to the whole.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from connectors.declarative.manifest import PathDeclared
from connectors.declarative.pushdown import Sents
from connectors.declarative.totals import CountDeclared
from connectors.sdk.errors import ManifestInvalid
from connectors.sdk.extract import path
from connectors.sdk.request import Response
from connectors.sdk.scan import Operator


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """What a path counts: the listing of a name, for each of the `values` of a column where there is one."""

    listing: str
    by: str | None = None
    values: tuple[str, ...] = ()

    @property
    def requests(self) -> int:
        """Return how many requests it takes: the whole, and each value."""
        return 1 + len(self.values)


def counted_of(name: str, count: CountDeclared, sents: Sents) -> dict[str, Counted]:
    """Return by name what the paths beside a listing count."""
    found = {f"{name}_total": Counted(listing=name)}
    if count.by is not None:
        values = sents[count.by][Operator.EQ][0].push.accepts
        found[f"{name}_counted"] = Counted(listing=name, by=count.by, values=values)
    return found


def check_count(declared: PathDeclared, sents: Sents, key_types: Mapping[str, str]) -> None:
    """Refuse a count that may not be that of the rows which a listing gives.

    Raises:
        ManifestInvalid: it is.
    """
    count = declared.count
    if count is None:
        return
    if (count.header is None) == (count.at is None):
        raise ManifestInvalid(message="a count has header or at, one of them")
    if declared.single or declared.batch is not None:
        raise ManifestInvalid(message="what has one row, or a batch of keys, is not counted")
    texts = sorted(key for key, kind in key_types.items() if not kind.startswith("int"))
    if texts:
        # The API may know it by another spelling than its rows have.
        raise ManifestInvalid(message=f"rows are counted by key {texts[0]} only where echo names it")
    if count.by is not None:
        sent = sents.get(count.by, {}).get(Operator.EQ, ())
        if len(sent) != 1 or sent[0].push.grade != "exact" or not sent[0].push.accepts:
            raise ManifestInvalid(message=f"= on {count.by} is not exact with the values that it accepts")


def total_told(count: CountDeclared, response: Response) -> int | None:
    """Return the total that an answer tells, None where it does not."""
    found = response.headers.get((count.header or "").lower()) if count.at is None else path(count.at)(response.body)
    if isinstance(found, str) and found.isascii() and found.isdigit():
        return int(found)
    return found if isinstance(found, int) and not isinstance(found, bool) and found >= 0 else None
