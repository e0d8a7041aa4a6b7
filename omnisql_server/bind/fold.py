"""Constants of a query: parameters become literals, stable expressions become what PostgreSQL says they are. Pure.

`now() - interval '7 days'` or `date '2026-01-01'` is evaluated once, by the session's own backend in the statement's
transaction, so that the planner, DuckDB and PostgreSQL use one value. Volatile functions are never folded.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from sqlglot import exp

from omnisql_server.model.literals import TextLiteral
from omnisql_server.model.meaning import FOLDED, LITERAL, Filling, fill

_FOLDED_FUNCTIONS = frozenset({"MAKE_INTERVAL", "MAKE_DATE", "MAKE_TIMESTAMPTZ", "TO_TIMESTAMP", "AGE"})
_FOLDED_NODES = (
    exp.Add,
    exp.Sub,
    exp.Mul,
    exp.Div,
    exp.Neg,
    exp.Paren,
    exp.Cast,
    exp.Interval,
    exp.Literal,
    exp.Boolean,
    exp.Null,
    exp.Parameter,
    exp.CurrentTimestamp,
    exp.CurrentDate,
    exp.CurrentUser,
    exp.TimestampTrunc,
    exp.DateTrunc,
    exp.AtTimeZone,
    exp.DPipe,
    exp.Upper,
    exp.Lower,
    exp.Var,
    exp.DataType,
    exp.DataTypeParam,
    exp.IntervalSpan,
)
_MOVING_NODES = (exp.CurrentTimestamp, exp.CurrentDate)
_MOVING_WORDS = re.compile("now|today|tomorrow|yesterday", re.IGNORECASE)
"""What PostgreSQL reads as a time of the moment inside a string."""
_COMPARISONS = (exp.EQ, exp.NEQ, exp.LT, exp.LTE, exp.GT, exp.GTE)


@dataclass(frozen=True, slots=True, kw_only=True)
class FoldedTree:
    """A tree whose constant expressions are placeholders, and those expressions in order."""

    tree: exp.Expr
    constants: tuple[exp.Expr, ...]

    @property
    def moves(self) -> bool:
        """Say whether a constant may be another one at another moment, with the same settings and parameters."""
        return any(_moves(node) for constant in self.constants for node in constant.walk())


def extract_constants(tree: exp.Expr) -> FoldedTree:
    """Take every largest constant expression that is not a plain literal out of a qualified, annotated tree.

    The tree is given away: it is the one that is returned, changed.
    """
    _type_literals(tree)
    constants: list[exp.Expr] = []
    for node in list(_largest_constants(tree)):
        placeholder = exp.Placeholder(this=f"{FOLDED}{len(constants)}")
        node.replace(placeholder)
        constants.append(node)
    return FoldedTree(tree=tree, constants=tuple(constants))


def _type_literals(tree: exp.Expr) -> None:
    """Give an untyped string literal the type of what it is compared with, as PostgreSQL does."""
    for node in tree.find_all(*_COMPARISONS, exp.In, exp.Between):
        known = _known_type(node.this.unnest())
        others = [node.expression, *node.args.get("expressions", []), node.args.get("low"), node.args.get("high")]
        if known is None and isinstance(node, exp.Binary):
            known, others = _known_type(node.expression.unnest()), [node.this]
        if known is None or known.is_type(*exp.DataType.TEXT_TYPES, exp.DataType.Type.UNKNOWN):
            continue
        for other in (other.unnest() for other in others if other is not None):
            if isinstance(other, exp.Literal) and other.is_string:
                whole = known.is_type(exp.DType.INT128)
                to = exp.DataType(this=exp.DType.DECIMAL) if whole else known.copy()
                other.replace(exp.Cast(this=other.copy(), to=to))


def _known_type(node: exp.Expr) -> exp.DataType | None:
    """Return the type of a column, of a truncated column of type timestamptz, or of a cast to date."""
    if isinstance(node, exp.Cast) and node.to.is_type(exp.DataType.Type.DATE):
        return node.to
    if isinstance(node, exp.TimestampTrunc):
        inner = node.this.unnest()
        known = inner.type if isinstance(inner, exp.Column) else None
        return known if known is not None and known.is_type(exp.DataType.Type.TIMESTAMPTZ) else None
    return node.type if isinstance(node, exp.Column) else None


def _largest_constants(tree: exp.Expr) -> list[exp.Expr]:
    found: list[exp.Expr] = []

    def visit(node: exp.Expr) -> None:
        if _is_constant(node):
            if not _is_plain(node):
                found.append(node)
            return
        for child in node.iter_expressions():
            visit(child)

    visit(tree)
    return found


def _is_constant(node: exp.Expr) -> bool:
    if isinstance(node, exp.Anonymous):
        known = node.name.upper() in _FOLDED_FUNCTIONS
        return known and all(_is_constant(child) for child in node.expressions)
    if isinstance(node, exp.Div) and not _is_number(node.expression):
        return False
    return isinstance(node, _FOLDED_NODES) and all(_is_constant(child) for child in node.iter_expressions())


def _moves(node: exp.Expr) -> bool:
    if isinstance(node, exp.Anonymous):
        return node.name.upper() == "AGE"
    if isinstance(node, exp.Literal):
        return node.is_string and _MOVING_WORDS.search(node.name) is not None
    return isinstance(node, _MOVING_NODES)


def _is_number(node: exp.Expr) -> bool:
    """Say whether a node is a number other than zero: dividing by it cannot fail where PostgreSQL would not."""
    return isinstance(node, exp.Literal) and not node.is_string and float(node.name) != 0


def _is_plain(node: exp.Expr) -> bool:
    """Say whether a constant is as simple as it can be; types, units and intervals are not values by themselves."""
    if isinstance(node, exp.Literal | exp.Boolean | exp.Null | exp.Parameter | exp.DataType | exp.Var | exp.Interval):
        return True
    if isinstance(node, exp.IntervalSpan | exp.DataTypeParam):
        return True
    if isinstance(node, exp.Paren):
        return _is_plain(node.this)
    return isinstance(node, exp.Neg) and isinstance(node.this, exp.Literal)


def fold_sql(constants: Sequence[exp.Expr], parameters: Sequence[tuple[str, str | None]]) -> str:
    """Write the query that evaluates the constants: one row, a type name and a text form for each."""
    bound = [bind_parameters(constant, parameters).sql("postgres") for constant in constants]
    shown = [f"pg_catalog.pg_typeof({sql})::pg_catalog.text, ({sql})::pg_catalog.text" for sql in bound]
    return "SELECT " + ", ".join(shown)


def bind_parameters(tree: exp.Expr, parameters: Sequence[tuple[str, str | None]]) -> exp.Expr:
    """Replace `$n` by a literal of the parameter's type; `parameters` are (type as SQL, text form) in order."""
    return fill(tree, parameter_fillings(parameters))


def fill_constants(tree: exp.Expr, values: Sequence[tuple[str, str | None]]) -> exp.Expr:
    """Replace the placeholders of `extract_constants` by literals; `values` are (type as SQL, text form) in order."""
    return fill(tree, constant_fillings(values))


def parameter_fillings(parameters: Sequence[tuple[str, str | None]]) -> dict[str, Filling]:
    """Return what belongs in the place of parameters."""
    return {f"${number}": _typed(*parameter) for number, parameter in enumerate(parameters, 1)}


def constant_fillings(values: Sequence[tuple[str, str | None]]) -> dict[str, Filling]:
    """Return what belongs in the place of folded constants."""
    return {f"{FOLDED}{place}": _typed(*value) for place, value in enumerate(values)}


def blank_literals(folded: FoldedTree, literals: Sequence[TextLiteral]) -> dict[str, exp.Literal] | None:
    """Put placeholders where a tree has the marks of literals; give the literals by placeholder, each with its mark.

    Marks inside the constants stay. None where a mark is not found once in all.
    """
    places = {(literal.mark, literal.is_string): f"{LITERAL}{place}" for place, literal in enumerate(literals)}
    blanked: dict[str, exp.Literal] = {}
    found: list[str] = []
    for literal, name in _marks(folded.tree, places):
        found.append(name)
        blanked[name] = literal
        literal.replace(exp.Placeholder(this=name))
    for constant in folded.constants:
        found += (name for _, name in _marks(constant, places))
    return blanked if sorted(found) == sorted(places.values()) else None


def literal_fillings(blanked: Mapping[str, exp.Literal], literals: Sequence[TextLiteral]) -> dict[str, Filling]:
    """Return what belongs in the place of literals."""
    fillings: dict[str, Filling] = {}
    for name, literal in blanked.items():
        node = literal.copy()
        value = literals[int(name.removeprefix(LITERAL))].value
        node.set("this", value)
        fillings[name] = Filling(type_sql="", text=value, node=node)
    return fillings


def _marks(tree: exp.Expr, places: Mapping[tuple[str, bool], str]) -> Iterator[tuple[exp.Literal, str]]:
    for literal in list(tree.find_all(exp.Literal)):
        name = places.get((literal.name, bool(literal.is_string)))
        if name is not None:
            yield literal, name


def _typed(type_sql: str, text: str | None) -> Filling:
    return Filling(type_sql=type_sql, text=text, node=typed_literal(type_sql, text))


def typed_literal(type_sql: str, text: str | None) -> exp.Expr:
    """Write a constant with its type: the cast of a string literal, or of NULL."""
    value: exp.Expr = exp.Null() if text is None else exp.Literal.string(text)
    return exp.Cast(this=value, to=_data_type(type_sql).copy())


@lru_cache(maxsize=1024)
def _data_type(type_sql: str) -> exp.DataType:
    return exp.DataType.build(type_sql, dialect="postgres", udt=True)
