"""Which privileges a query needs: PostgreSQL's own rule, by the columns that its text and its views' texts name. Pure.

Every relation needs SELECT on each column named of it, or on any one where none is. What a view reads is checked as the
view's owner; below a view with `security_invoker`, as the session's current user, however deep it stands. Local
relations below a view that is written out are read by the session's own user where it has the same right, else as the
view's owner (`bind.owners`): so the user's right is asked about too.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from omnisql_server.bind.resolve import Closure
from omnisql_server.model.query import Check, ParsedQuery
from omnisql_server.model.relation import Relation, RelationKind
from omnisql_server.model.scope import ColumnUse, NaturalJoin, QueryLevel, Scope, Source


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One place where a text reads a relation, and the privilege that this needs.

    `place` is the byte position in its text, after those of the views it is reached through. `own` is what the
    session's user would need to read a local relation there itself; None where nobody else is asked, or it is an API's.
    """

    place: tuple[int, ...]
    relation: Relation
    check: Check
    own: Check | None


def privilege_checks(readings: Iterable[Reading]) -> tuple[Check, ...]:
    """List the privileges that a query needs, in the order in which PostgreSQL checks them, then what we ask about."""
    found = tuple(readings)
    own = (reading.own for reading in found if reading.own is not None)
    return tuple(dict.fromkeys((*(reading.check for reading in found), *own)))


def readings_of(parsed: ParsedQuery, closure: Closure, current_user: str) -> tuple[Reading, ...]:
    """List every place where a query reads a relation, in the order in which PostgreSQL checks privileges."""
    return tuple(_readings(parsed, closure, current_user, current_user))


def reaches_api(relation: Relation, closure: Closure) -> bool:
    """Say whether an API table is read through a relation."""
    if relation.kind is not RelationKind.VIEW:
        return relation.kind is RelationKind.API
    return any(
        reaches_api(closure.by_name[reference.schema, reference.name], closure)
        for reference in closure.views[relation.oid].references
        if (reference.schema, reference.name) in closure.by_name
    )


def _readings(
    parsed: ParsedQuery,
    closure: Closure,
    role: str,
    current_user: str,
    *,
    within: Relation | None = None,
    place: tuple[int, ...] = (),
) -> Iterator[Reading]:
    """List readings; `within` is the view whose body this is, if that is or may be written out."""
    relations = {
        reference.position: closure.by_name[reference.schema, reference.name]
        for reference in parsed.references
        if not reference.target and (reference.schema, reference.name) in closure.by_name
    }
    used = _Uses(relations=relations)
    for use in parsed.scopes.uses:
        used.add(use)

    def visit(level: QueryLevel) -> Iterator[Reading]:
        for position in level.reads:
            if position in relations:
                relation = relations[position]
                numbers = tuple(a.number for a in relation.attributes if a.name in used.columns.get(position, ()))
                own = None
                if within is not None and role != current_user and not reaches_api(relation, closure):
                    own = Check(
                        role=current_user, relation_oid=relation.oid, attributes=numbers, view=within.qualified_name
                    )
                check = Check(role=role, relation_oid=relation.oid, attributes=numbers)
                yield Reading(place=(*place, position), relation=relation, check=check, own=own)
        for item in level.inside:
            if isinstance(item, QueryLevel):
                yield from visit(item)
            elif item in relations and relations[item].kind is RelationKind.VIEW:
                view, inner = relations[item], (*place, item)
                inner_role = current_user if view.security_invoker else view.owner
                out = view if within is not None or reaches_api(view, closure) else None
                body = closure.views[view.oid]
                yield from _readings(body, closure, inner_role, current_user, within=out, place=inner)

    yield from visit(parsed.scopes.top)


@dataclass(slots=True, kw_only=True)
class _Uses:
    """Resolves uses of columns to those of the relations at given positions."""

    relations: Mapping[int, Relation]
    columns: dict[int, set[str]] = field(default_factory=dict)

    def add(self, use: ColumnUse | NaturalJoin) -> None:
        if isinstance(use, NaturalJoin):
            self._add_natural(use)
        elif use.name is None:
            self._add_whole(use.scopes[:1])
        elif not self._add_named(use.name, use.scopes):
            if use.rows:
                self._add_rows(use.rows)
            elif not use.optional and not _has_unknown(use.scopes):
                # It may mean anything here: better to ask for too much.
                self._add_whole(use.scopes)

    def _add_named(self, name: str, scopes: Iterable[Scope]) -> bool:
        for scope in scopes:
            found = [(source.position, self._names(source).get(name)) for source in scope]
            marked = [(position, column) for position, column in found if position is not None and column is not None]
            for position, column in marked:
                self.columns.setdefault(position, set()).add(column)
            if marked or any(column is not None for _, column in found):
                return True
        return False

    def _add_natural(self, join: NaturalJoin) -> None:
        if _has_unknown((join.left, join.right)):
            self._add_whole((join.left, join.right))
            return
        left, right = (frozenset(name for s in side for name in self._names(s)) for side in (join.left, join.right))
        for name in left & right:
            self._add_named(name, (join.left,))
            self._add_named(name, (join.right,))

    def _add_whole(self, scopes: Iterable[Scope]) -> None:
        self._add_rows(source.position for scope in scopes for source in scope if source.position is not None)

    def _add_rows(self, positions: Iterable[int]) -> None:
        for position in positions:
            if position in self.relations:
                every = (attribute.name for attribute in self.relations[position].attributes)
                self.columns.setdefault(position, set()).update(every)

    def _names(self, source: Source) -> Mapping[str, str]:
        """Map the names under which a source's columns are known here to those that they have."""
        if source.position is not None:
            relation = self.relations.get(source.position)
            own = [attribute.name for attribute in relation.attributes] if relation is not None else []
            return dict(zip((*source.renamed, *own[len(source.renamed) :]), own, strict=False))
        names: dict[str, str] = {}
        for output in source.outputs or ():
            if isinstance(output, str):
                names[output] = output
            elif output in self.relations:
                names |= {attribute.name: attribute.name for attribute in self.relations[output].attributes}
        return names


def _has_unknown(scopes: Iterable[Scope]) -> bool:
    return any(source.position is None and source.outputs is None for scope in scopes for source in scope)
