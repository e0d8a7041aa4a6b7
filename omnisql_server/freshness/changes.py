"""What sources have told of changes, and since when what is kept is therefore too old, whatever its age.

Marks are of a server, for all its credentials: what a webhook tells is not told to one of them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from uuid import UUID

from connectors.sdk.connector import Source
from omnisql_server.freshness.domains import Request
from omnisql_server.freshness.entries import Seal, Spoiled, seal_of
from omnisql_server.freshness.store import Store, Told
from omnisql_server.limits.valkey import Valkey
from omnisql_server.model.freshness import Change

ALL = "all"
"""The mark that stands for too many."""


@dataclass(slots=True, kw_only=True)
class Changes:
    """Marks of one server, as far as one shelf was told of them."""

    place: str
    seal: Seal
    _marks: dict[str, tuple[Change, int]] = field(default_factory=dict)

    def hear(self, told: Iterable[Told]) -> int:
        """Take over marks, and return how many of them no replica of ours can have made."""
        spoiled = 0
        for each in told:
            if each.name == ALL:
                self._marks.clear()
                change = Change()
            else:
                try:
                    facts = json.loads(self.seal.open(each.description, self.place, each.name, "change"))
                except Spoiled:
                    # Whatever it was, something has changed.
                    spoiled, facts = spoiled + 1, {"tables": (), "keys": {}}
                change = Change(tables=frozenset(facts["tables"]), keys=facts["keys"])
            self._marks[each.name] = (change, each.asked_us)
        return spoiled

    def since_us(self, request: Request) -> int:
        """Return when rows that a request asks for have changed last, as far as was told; 0 if never."""
        return max((at_us for change, at_us in self._marks.values() if _concerns(change, request)), default=0)


async def note_change(
    client: Valkey, *, tenant: UUID, data_key: bytes, server: str, change: Change, delivery: str, kept_us: int
) -> bool:
    """Mark what has changed of a server's rows for every replica; False where the same delivery did so before.

    Raises one of `VALKEY_ERRORS` when Valkey does not answer: nothing is marked then.
    """
    seal = seal_of(data_key)
    place = place_of(tenant.hex, seal, server)
    facts = {"tables": sorted(change.tables), "keys": dict(sorted(change.keys.items()))}
    name = seal.name("change", facts)
    sealed = seal.close(json.dumps(facts).encode(), place, name, "change")
    store = Store(client, bytes_max=0, kept_us=kept_us)
    return await store.mark(tenant.hex, place, name, sealed, seal.name("delivery", server, delivery))


def place_of(tenant: str, seal: Seal, server: str) -> str:
    """Name where the marks of a server are."""
    return f"{tenant}/{seal.name('changes', server)}"


def changes_of(tenant: str, seal: Seal, source: Source) -> Changes:
    """Return the marks of a source's server, of which nothing is known yet."""
    return Changes(place=place_of(tenant, seal, source.server), seal=seal)


def _concerns(change: Change, request: Request) -> bool:
    if change.tables and request.scan.table not in change.tables:
        return False
    for column, value in change.keys.items():
        domain = request.domains.get(column)
        listed = None if domain is None else domain.values
        # Sources take names without regard to case.
        if listed is not None and value.casefold() not in {str(each).casefold() for _, each in listed}:
            return False
    return True
