"""Ready-made pushdowns, so that a table's declaration reads like the API's documentation. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from connectors.sdk.scan import Disjunction, Operator, Predicate, Value
from connectors.sdk.table import AccessPath, Grade, Pushdown

EXACT = Pushdown(grade=Grade.EXACT)
SUPERSET = Pushdown(grade=Grade.SUPERSET)

Operators = Mapping[Operator, Pushdown]


def exact_among(*values: str) -> Pushdown:
    """Push exactly; any value but these matches no row at all."""
    return Pushdown(grade=Grade.EXACT, values=frozenset(values))


def when(accepts: Callable[[Value], bool], grade: Grade = Grade.SUPERSET) -> Pushdown:
    """Push with a grade where a value is accepted, otherwise not at all."""
    return Pushdown(grade=grade, accepts=lambda value: grade if accepts(value) else Grade.NONE)


def at_least(pushdown: Pushdown = SUPERSET) -> Operators:
    """Push lower bounds alone."""
    return {Operator.GE: pushdown, Operator.GT: pushdown}


def ranges(pushdown: Pushdown = SUPERSET) -> Operators:
    """Push lower and upper bounds."""
    return {Operator.GE: pushdown, Operator.GT: pushdown, Operator.LE: pushdown, Operator.LT: pushdown}


def equals(pushdown: Pushdown = SUPERSET) -> Operators:
    """Push equality alone."""
    return {Operator.EQ: pushdown}


def grade_of(path: AccessPath, predicate: Predicate) -> Grade:
    """Return the grade at which a path takes a predicate, `NONE` where it does not."""
    pushdown = path.operators.get(predicate.column, {}).get(predicate.operator)
    if pushdown is None:
        return Grade.NONE
    return pushdown.grade if pushdown.accepts is None else pushdown.accepts(predicate.value)


def grade_of_any(path: AccessPath, disjunction: Disjunction) -> Grade:
    """Return the grade at which a path takes a disjunction: the lowest of its parts, `NONE` if one cannot be sent."""
    taken = path.disjunctions
    if taken is None or not taken.columns.issuperset(predicate.column for predicate in disjunction.predicates):
        return Grade.NONE
    return lowest(grade_of(path, predicate) for predicate in disjunction.predicates)


def lowest(grades: Iterable[Grade]) -> Grade:
    """Return the grade of predicates together, joined by AND or by OR."""
    return min(grades, key=_LOWEST_FIRST.index, default=Grade.EXACT)


_LOWEST_FIRST = (Grade.NONE, Grade.SUPERSET, Grade.EXACT)
