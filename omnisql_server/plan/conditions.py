"""Which rows of each scan can matter: conjuncts of the query, brought down to the scans they restrict. Pure.

The statement is always evaluated whole over what was fetched, so a condition here only ever saves calls: it must hold
for every row that can change the answer, and nothing is lost when a conjunct is not recognized.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from sqlglot import exp
from sqlglot.optimizer.scope import Scope, ScopeType

from connectors.sdk.scan import Operator
from omnisql_server.model.meaning import Meaning
from omnisql_server.model.query import Occurrence
from omnisql_server.plan.alternatives import (
    JOINING,
    NARROWED,
    Alternatives,
    carried,
    recognize_alternatives,
    told_of,
)
from omnisql_server.plan.branches import TEXT_OID, constant_text, verdict_on_constant
from omnisql_server.plan.conjuncts import Equality, may_be_null_supplied
from omnisql_server.plan.found import Said, ScanConditions
from omnisql_server.plan.limit import is_cut
from omnisql_server.plan.monotone import implied
from omnisql_server.plan.projections import outputs, projection, through_projection
from omnisql_server.plan.readings import Readings
from omnisql_server.plan.recognize import Condition, recognize
from omnisql_server.plan.rewrites import advise
from omnisql_server.plan.texts import text_of


class ConditionCollector:
    """Walks a bound tree once and keeps what restricts each scan, by scan name.

    Ranges are taken from functions in `time_zone`; without one, functions of these names may be a user's own.
    """

    def __init__(
        self, occurrences: tuple[Occurrence, ...], readings: Readings, meaning: Meaning, time_zone: str | None = None
    ) -> None:
        self._readings = readings
        self._meaning = meaning
        self._time_zone = time_zone
        self._occurrences = {occurrence.scan_name: occurrence for occurrence in occurrences}
        self.found: dict[str, ScanConditions] = {name: ScanConditions() for name in self._occurrences}

    def collect(self) -> dict[str, ScanConditions]:
        """Return the conditions of every scan of the tree."""
        if self._readings.root is not None:
            self._visit(self._readings.root, [])
        return self.found

    def _visit(self, scope: Scope, inherited: list[Restriction]) -> None:
        if scope.set_operation_scopes:
            self._visit_set_operation(scope, inherited)
            for child in (*scope.cte_scopes, *scope.subquery_scopes):
                self._visit(child, [])
            return
        conditions, alternatives = self._own_conditions(scope)
        for restriction in inherited:
            if isinstance(restriction, Alternatives):
                self._inherit_alternatives(scope, restriction, conditions, alternatives)
            else:
                self._inherit(scope, restriction, conditions)
        self._propagate(scope, conditions)
        passed: dict[int, list[Restriction]] = {}
        restrictions: list[Restriction] = [*conditions, *alternatives]
        for each in restrictions:
            source = scope.sources.get(each.source)
            if isinstance(source, exp.Table):
                self._keep(source, each)
            elif isinstance(source, Scope) and _read_once(scope, source):
                passed.setdefault(id(source), []).append(each)
            elif isinstance(source, Scope):
                self._note(source, each.sql, "its relation is read more than once")
        for child in _children(scope):
            self._visit(child, passed.get(id(child), []))

    def _visit_set_operation(self, scope: Scope, inherited: list[Restriction]) -> None:
        names = [each.alias_or_name for each in outputs(scope.expression)]
        for branch in scope.set_operation_scopes:
            renames = dict(zip(names, (each.alias_or_name for each in outputs(branch.expression)), strict=False))
            mine = [found for each in inherited if (found := _renamed(each, renames)) is not None]
            self._visit(branch, mine if not is_cut(scope.expression) else [])

    def _inherit(self, scope: Scope, condition: Condition, conditions: list[Condition]) -> None:
        """Bring a condition on a scope's output down to what the scope reads."""
        found = self._through(scope, condition)
        if found is False:
            self._rule_out(scope, condition.sql)
        elif found is None:
            self._note(scope, condition.sql, _FORM)
        elif isinstance(found, Condition):
            conditions.append(found)

    def _inherit_alternatives(
        self, scope: Scope, given: Alternatives, conditions: list[Condition], alternatives: list[Alternatives]
    ) -> None:
        found = carried(given, lambda condition: self._through(scope, condition))
        if found.never:
            self._rule_out(scope, given.sql)
        elif found.lost:
            self._note(scope, given.sql, _FORM)
        self._add(found.alternatives, conditions, alternatives)
        if found.alternatives[:1] and found.alternatives[0].left_out != given.left_out:
            self._note(scope, given.sql, told_of(found.alternatives))

    def _through(self, scope: Scope, condition: Condition) -> Condition | bool | None:
        """Say a condition on a scope's output by what it reads, or that it always or never holds; None: neither."""
        verdict = verdict_on_constant(projection(scope, condition.column), condition)
        if verdict is not None:
            return verdict
        mapped = through_projection(scope, condition)
        return mapped if mapped is not None and self._comparable(scope, mapped) else None

    def _keep(self, table: exp.Table, found: Restriction) -> None:
        scan = self._scan(table)
        if isinstance(found, Alternatives):
            scan.alternatives.append(found)
        else:
            scan.conditions.append(found)

    def _own_conditions(self, scope: Scope) -> tuple[list[Condition], list[Alternatives]]:
        conditions: list[Condition] = []
        alternatives: list[Alternatives] = []
        name = f"said {self._time_zone}"
        for written, allowed in self._readings.conjuncts(scope):
            said = self._read(name, scope, written, allowed)
            conditions += said.conditions
            alternatives += said.alternatives
            for scan, node in said.local:
                self.found[scan].local.append(node)
            for scan, advice in said.advice:
                self.found[scan].advice[advice.condition] = advice
            for scan, residual in said.residuals:
                self.found[scan].residuals.append(residual)
            for source, text, reason in said.below:
                self._note(source, text, reason)
        return conditions, alternatives

    def _read(self, name: str, scope: Scope, written: exp.Expr, allowed: set[str] | None) -> Said:
        conjunct = self._readings.read(written, self._meaning)
        return conjunct.get(name, lambda node: self._said(scope, node, allowed))

    def _said(self, scope: Scope, conjunct: exp.Expr, allowed: set[str] | None) -> Said:
        """Return all that a conjunct says of what a scope reads."""
        said = Said()
        self._local(scope, conjunct, allowed, said)
        found = recognize(conjunct, lambda column: self._type_oid(scope, column))
        said.conditions += [
            condition
            for condition in found
            if (allowed is None or condition.source in allowed)
            and not (
                condition.operator is Operator.IS_NULL and may_be_null_supplied(scope.expression, condition.source)
            )
        ]
        if said.conditions:
            if isinstance(conjunct, exp.Like | exp.ILike):
                self._advise(scope, conjunct, said)
            return said
        self._advise(scope, conjunct, said)
        either, reason = self._alternatives(scope, conjunct, allowed)
        self._add(either, said.conditions, said.alternatives)
        ranges = self._ranges(scope, conjunct, allowed)
        said.conditions += ranges
        if reason:
            self._residual(scope, conjunct, NARROWED if ranges else reason, said)
        return said

    def _alternatives(
        self, scope: Scope, conjunct: exp.Expr, allowed: set[str] | None
    ) -> tuple[tuple[Alternatives, ...], str]:
        """Return the alternatives of an OR that restrict what they are on, and what they leave to do after, if any."""
        zone = self._time_zone
        found = recognize_alternatives(conjunct, lambda column: self._type_oid(scope, column), zone)
        if not isinstance(found, tuple):
            return (), _FORM if found is None else found.reason

        def restricts(each: Alternatives) -> bool:
            supplied = each.may_hold_for_null() and may_be_null_supplied(scope.expression, each.source)
            return not supplied and (allowed is None or each.source in allowed)

        kept = tuple(filter(restricts, found))
        return kept, (told_of(kept) if kept else _FORM)

    @staticmethod
    def _add(found: Iterable[Alternatives], conditions: list[Condition], alternatives: list[Alternatives]) -> None:
        for each in found:
            if len(each.branches) == 1:
                conditions += each.branches[0]
            else:
                alternatives.append(each)

    def _local(self, scope: Scope, conjunct: exp.Expr, allowed: set[str] | None, said: Said) -> None:
        named = _named(conjunct)
        alias = next(iter(named), "")
        source = scope.sources.get(alias)
        if len(named) != 1 or not isinstance(source, exp.Table) or _asks(conjunct):
            return
        # In WHERE, a row that an outer join puts in the place of one that was left out might pass.
        restricts = alias in allowed if allowed is not None else not may_be_null_supplied(scope.expression, alias)
        if restricts:
            said.local.append((source.name, conjunct))

    def _advise(self, scope: Scope, conjunct: exp.Expr, said: Said) -> None:
        advice = advise(conjunct, lambda column: self._type_oid(scope, column))
        source = scope.sources.get(advice.branches[0][0].source) if advice is not None else None
        if advice is not None and isinstance(source, exp.Table):
            said.advice.append((source.name, advice))

    def _ranges(self, scope: Scope, conjunct: exp.Expr, allowed: set[str] | None) -> list[Condition]:
        zone = self._time_zone
        if zone is None:
            return []
        found = implied(conjunct, lambda column: self._type_oid(scope, column), zone)
        return [condition for condition in found if allowed is None or condition.source in allowed]

    def _residual(self, scope: Scope, conjunct: exp.Expr, form: str, said: Said) -> None:
        if _is_same_for_every_row(conjunct):
            return
        named = _named(conjunct)
        reason = JOINING if len(named) > 1 else form
        text = text_of(conjunct)
        for alias in named or scope.selected_sources:
            source = scope.sources.get(alias)
            if isinstance(source, exp.Table):
                said.residuals.append((source.name, (text, reason)))
            elif isinstance(source, Scope):
                said.below.append((source, text, reason))

    def _note(self, scope: Scope, sql: str, reason: str) -> None:
        """Record for every scan below a scope that a condition has to be evaluated after the fetch."""
        for branch in scope.set_operation_scopes:
            self._note(branch, sql, reason)
        for _, source in scope.selected_sources.values():
            if not isinstance(source, exp.Table):
                self._note(source, sql, reason)
            elif is_cut(scope.expression):
                self._scan(source).beyond.append((sql, reason))
            else:
                self._scan(source).residuals.append((sql, reason))

    def _rule_out(self, scope: Scope, sql: str) -> None:
        """Record for every scan below a scope that none of its rows gets out."""
        for branch in scope.set_operation_scopes:
            self._rule_out(branch, sql)
        for _, source in scope.selected_sources.values():
            if isinstance(source, exp.Table):
                self._scan(source).ruled_out = sql
            elif _read_once(scope, source):
                self._rule_out(source, sql)

    def _comparable(self, scope: Scope, condition: Condition) -> bool:
        """Say whether a column has values of the condition's type, so that the constant means the same for it."""
        type_oid = self._type_oid(scope, exp.column(condition.column, table=condition.source))
        return any({type_oid, condition.type_oid} <= family for family in (*_FAMILIES, {condition.type_oid}))

    def _propagate(self, scope: Scope, conditions: list[Condition]) -> None:
        """Carry `a.x = constant` over `a.x = b.y` to b.y, until nothing new is learned."""
        pairs = self._readings.equalities(scope)
        known = {(c.source, c.column, c.operator, c.value) for c in conditions}
        pending = list(conditions)
        while pending:
            condition = pending.pop()
            if condition.operator not in (Operator.EQ, Operator.IN):
                continue
            for source, column in _partners(pairs, (condition.source, condition.column)):
                carried = condition.renamed(source, column)
                key = (source, column, carried.operator, carried.value)
                if key not in known and self._comparable(scope, carried):
                    known.add(key)
                    conditions.append(carried)
                    pending.append(carried)

    def _scan(self, table: exp.Table) -> ScanConditions:
        return self.found[table.name]

    def _type_oid(self, scope: Scope, column: exp.Column) -> int | None:
        """Follow a column to the scan it comes from, through plain projections, and return its type."""
        source = scope.sources.get(column.table)
        if isinstance(source, exp.Table) and source.name in self._occurrences:
            attribute = self._occurrences[source.name].relation.attribute(column.name)
            return attribute.type_oid if attribute else None
        if isinstance(source, Scope):
            # The output columns of a set operation have the names that its first branch gives them.
            while source.set_operation_scopes:
                source = source.set_operation_scopes[0]
            inner = projection(source, column.name)
            if isinstance(inner, exp.Column):
                return self._type_oid(source, inner)
            return TEXT_OID if constant_text(inner) is not None else None
        return None


Restriction = Condition | Alternatives
_FORM = "its form is not one an API can evaluate"
_FAMILIES = (frozenset({20, 21, 23}), frozenset({25, 1043}))
"""The integers, and the texts: a constant of one is a value of the others."""


def _renamed(restriction: Restriction, columns: dict[str, str]) -> Restriction | None:
    """Return a condition or alternatives on columns of other names, None where one has none."""
    if isinstance(restriction, Alternatives):
        return restriction.renamed(columns)
    name = columns.get(restriction.column)
    return None if name is None else restriction.renamed(restriction.source, name)


def _named(conjunct: exp.Expr) -> set[str]:
    return {column.table for column in conjunct.find_all(exp.Column)}


def _asks(conjunct: exp.Expr) -> bool:
    return conjunct.find(exp.Query) is not None


def _is_same_for_every_row(conjunct: exp.Expr) -> bool:
    """Say whether a conjunct is made of plain constants, like `1 = 1`."""
    return all(isinstance(node, _CONSTANT_NODES) for node in conjunct.walk())


_CONSTANT_NODES = (exp.Literal, exp.Boolean, exp.Null, exp.Cast, exp.DataType, exp.Predicate, exp.Connector, exp.Not)


def _children(scope: Scope) -> Iterator[Scope]:
    yield from scope.cte_scopes
    yield from scope.derived_table_scopes
    yield from scope.subquery_scopes
    yield from scope.udtf_scopes


def _read_once(scope: Scope, source: Scope) -> bool:
    """Say whether only this place reads a derived relation: a CTE read twice must serve both readers."""
    if source.scope_type != ScopeType.CTE:
        return True
    root = scope.expression.root()
    alias = source.expression.parent.alias if source.expression.parent else ""
    return sum(1 for table in root.find_all(exp.Table) if table.name == alias and not table.db) == 1


def _partners(equalities: list[Equality], side: tuple[str, str]) -> Iterator[tuple[str, str]]:
    for equality in equalities:
        if equality.left == side:
            yield equality.right
        elif equality.both_ways and equality.right == side:
            yield equality.left
