"""What a query's names mean: relations by OID, views followed to what they read, checked against PostgreSQL's locks.

Names are resolved by the session's own backend, so that search_path, temporary objects and uncommitted views count as
they do for PostgreSQL. The relations found must be the ones PostgreSQL locked: a difference is never executed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from omnisql_server.bind.questions import ask_detail, ask_resolve, read_relation, rows_of
from omnisql_server.errors import InternalError
from omnisql_server.model.backend import Backend
from omnisql_server.model.query import ParsedQuery
from omnisql_server.model.relation import Relation, RelationKind

Name = tuple[str | None, str]
VIEW_DEPTH_MAX = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Closure:
    """Every relation that a query reaches: `by_name` for each text's names, `views` parsed by OID."""

    by_name: Mapping[Name, Relation]
    views: Mapping[int, ParsedQuery] = field(default_factory=dict)

    @property
    def relations(self) -> tuple[Relation, ...]:
        """Return each relation once."""
        return tuple({relation.oid: relation for relation in self.by_name.values()}.values())

    @property
    def reads_temporary(self) -> bool:
        """Say whether any of them is temporary: it may be changed without the catalog's sequence moving."""
        return any(relation.schema.startswith("pg_temp_") for relation in self.by_name.values())

    @property
    def reaches_api(self) -> bool:
        """Say whether any of them is an API table."""
        return any(relation.kind is RelationKind.API for relation in self.by_name.values())


def names_of(parsed: ParsedQuery) -> tuple[Name, ...]:
    """Return the distinct names of the relations that a query's text reads, in order."""
    read = (reference for reference in parsed.references if not reference.target)
    return tuple(dict.fromkeys((reference.schema, reference.name) for reference in read))


async def close_over(
    names: tuple[Name, ...],
    oids: tuple[int | None, ...],
    backend: Backend,
    parse_query: Callable[[str], ParsedQuery],
    api_wrappers: frozenset[str],
) -> Closure:
    """Follow names, already resolved to OIDs, through views to everything they reach."""
    by_name: dict[Name, Relation] = {}
    views: dict[int, ParsedQuery] = {}
    known: dict[int, Relation] = {}
    for _ in range(VIEW_DEPTH_MAX):
        found = {name: oid for name, oid in zip(names, oids, strict=True) if oid is not None}
        known |= await _details({oid for oid in found.values() if oid not in known}, backend, api_wrappers)
        by_name |= {name: known[oid] for name, oid in found.items() if oid in known}
        fresh = [r for r in known.values() if r.kind is RelationKind.VIEW and r.oid not in views]
        views |= {view.oid: parse_query(view.definition) for view in fresh}
        names = tuple(dict.fromkeys(n for view in fresh for n in names_of(views[view.oid]) if n not in by_name))
        if not names:
            return Closure(by_name=by_name, views=views)
        answer = (await backend.ask(ask_resolve(names)))[0]
        oids = tuple(int(row[0]) if row[0] else None for row in rows_of(answer))
    raise InternalError(message="views are nested too deeply to follow", sqlstate="54001")


async def _details(oids: Iterable[int], backend: Backend, api_wrappers: frozenset[str]) -> dict[int, Relation]:
    wanted = sorted(oids)
    if not wanted:
        return {}
    answer = (await backend.ask(ask_detail(wanted)))[0]
    relations = (read_relation(row, api_wrappers) for row in rows_of(answer))
    return {relation.oid: relation for relation in relations}


def verify(closure: Closure, locked_before: frozenset[int], locked_after: frozenset[int], api: frozenset[int]) -> None:
    """Compare what was found with what PostgreSQL locked; `api` are the OIDs of all API tables of the tenant.

    A local relation that PostgreSQL reads on its own account (a row security policy, say) stays PostgreSQL's business.

    Raises:
        InternalError: an API table was locked that the query does not seem to reach, or the other way round.
    """
    found = {relation.oid for relation in closure.relations if relation.oid >= FIRST_USER_OID}
    missing = found - locked_after
    unexpected = ((locked_after - locked_before) - found) & api
    if missing or unexpected:
        raise InternalError(
            message="the statement's relations could not be established",
            detail=f"{len(missing)} not locked by PostgreSQL, {len(unexpected)} locked but not found",
            hint="please report this statement's text",
        )


FIRST_USER_OID = 16384
"""Objects below this OID are PostgreSQL's own (`FirstNormalObjectId`)."""
