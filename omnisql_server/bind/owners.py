"""What a query reads as the owners of its views: local relations that the session's user may not read itself. Pure.

A view over API tables is written out into the user's statement, which runs as the user. What the user may read alike is
read so; the rest is read apart, as the view's owner (`owner_rows`). If anything is, then all that stands below the
views of others is, so that as little as possible has to be of the same snapshot on two backends.
"""

from __future__ import annotations

from collections.abc import Sequence

from omnisql_server.bind.privileges import Reading
from omnisql_server.bind.system_columns import SYSTEM_COLUMNS
from omnisql_server.errors import NotSupported
from omnisql_server.model.query import NO_OWNER_READS, BoundQuery, Check, OwnerRead, OwnerReads, ParsedQuery
from omnisql_server.model.relation import RelationKind


def owner_reads(readings: Sequence[Reading], denied: frozenset[Check], query: BoundQuery) -> OwnerReads:
    """Say what is read as whom; `denied` are the checks of the session's own user that do not hold.

    Raises:
        NotSupported: a view reads such a relation in a way that only its own table can answer (0A000).
    """
    if all(reading.own is None for reading in readings):
        return NO_OWNER_READS
    found = _found(readings, denied, query, everything=False)
    return _found(readings, denied, query, everything=True) if found.reads else found


def reads_api_as_owner(readings: Sequence[Reading], query: BoundQuery) -> bool:
    """Say whether an API table is read with another's rights than those of the session's user."""
    user = query.settings.current_user
    return any(each.relation.kind is RelationKind.API and each.check.role != user for each in readings)


def _found(readings: Sequence[Reading], denied: frozenset[Check], query: BoundQuery, *, everything: bool) -> OwnerReads:
    reads: dict[tuple[int, ...], OwnerRead] = {}
    views = set[tuple[int, ...]]()
    out = {reading.place for reading in readings if _is_written_out(reading, query)}
    others = query.parsed.written
    for reading in readings:
        place, relation, own = reading.place, reading.relation, reading.own
        if place in out or not all(place[:end] in out | views for end in range(1, len(place))):
            # Written out anyway, or below what PostgreSQL reads by itself.
            continue
        if own is None or not (everything or own in denied or relation.row_security):
            others = others or relation.kind is not RelationKind.API
        elif relation.kind is RelationKind.VIEW:
            views.add(place)
        else:
            reads[place] = _read(reading, own, query)
    return OwnerReads(reads=reads, views=frozenset(views), reads_others=others)


def _is_written_out(reading: Reading, query: BoundQuery) -> bool:
    """Say whether a view reaches an API table: what is below it is read by the statement itself."""
    return reading.relation.kind is RelationKind.VIEW and _reaches_api(reading.relation.oid, query)


def _reaches_api(view_oid: int, query: BoundQuery) -> bool:
    for reference in query.views[view_oid].references:
        relation = query.relations.get((reference.schema, reference.name))
        if relation is not None and relation.kind is RelationKind.API:
            return True
        if relation is not None and relation.kind is RelationKind.VIEW and _reaches_api(relation.oid, query):
            return True
    return False


def _read(reading: Reading, own: Check, query: BoundQuery) -> OwnerRead:
    relation, place = reading.relation, reading.place
    text = _text_around(place, query)
    if relation.schema.startswith("pg_temp_"):
        raise _refused(own.view, relation.name, "it is a temporary table, which no other session can read")
    if text.named_columns & SYSTEM_COLUMNS:
        raise _refused(own.view, relation.name, "the view names columns of the system, which only the table itself has")
    occurrence = next(
        (o for o in query.occurrences if o.relation.oid == relation.oid and o.place in (None, place)), None
    )
    columns = occurrence.columns if occurrence is not None else tuple(a.name for a in relation.attributes)
    before = text.text.encode()[: place[-1]].split()[-1:]
    return OwnerRead(
        view=own.view, role=reading.check.role, relation=relation, columns=columns, only=before == [b"ONLY"]
    )


def _text_around(place: tuple[int, ...], query: BoundQuery) -> ParsedQuery:
    """Find the text of the view that names a relation at a place."""
    text = query.parsed
    for position in place[:-1]:
        reference = next(each for each in text.references if each.position == position)
        text = query.views[query.relations[reference.schema, reference.name].oid]
    return text


def _refused(view: str, relation: str, why: str) -> NotSupported:
    return NotSupported(
        message=f"view {view} reads {relation} with its owner's rights, beside an API table",
        detail=why,
        hint=f"ALTER VIEW {view} SET (security_invoker = true) and grant SELECT on {relation}",
    )
