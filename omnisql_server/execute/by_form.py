"""What DuckDB is asked for statements of one form: written once for all values that are only compared. Pure.

A value is plain where nothing of `lower`, `allowed` and `duckdb_text` looks at more than its type: beside a column of
integers, text or moments, and as the number of LIMIT and OFFSET. Marks stand for plain values while the text is made;
then each statement has its own in their place. All others belong to what the text is kept under.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Hashable, Mapping
from dataclasses import dataclass

from sqlglot import exp
from sqlglot.errors import SqlglotError

from omnisql_server.execute.allowed import refusal_of
from omnisql_server.execute.allowed_functions import NEAR, TEXTS
from omnisql_server.execute.duckdb_text import compares_floats, duckdb_text
from omnisql_server.execute.lower import lower
from omnisql_server.execute.output_types import INTEGERS, output_type
from omnisql_server.model.meaning import Filling, Form, Meaning, blank_of
from omnisql_server.model.query import BoundQuery
from omnisql_server.model.trees import copied

KEPT_MAX = 64
"""Texts kept with a form: a few, for settings and values that are not plain."""

_Place = tuple[exp.DType, ...]
"""The types of what a value is compared with; none where it counts rows."""

_COMPARISONS = (exp.EQ, exp.NEQ, exp.LT, exp.LTE, exp.GT, exp.GTE)
_MOMENTS = (exp.DType.DATE, exp.DType.TIMESTAMP, exp.DType.TIMESTAMPTZ)
_FAMILIES = (INTEGERS, TEXTS, _MOMENTS)
_WRITTEN_NUMBER = re.compile(r"-?[0-9]{1,18}")
_INT4_MAX = (1 << 31) - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenForm:
    """Why DuckDB may not execute a form, or its text: pieces, and the blanks whose values stand between them."""

    reason: str | None
    pieces: tuple[str, ...] = ("",)
    names: tuple[str, ...] = ()
    native: bool = False

    def text(self, fillings: Mapping[str, Filling]) -> str:
        """Return the text with a statement's own values."""
        values = (_written(_literal_in(fillings[name])) for name in self.names)
        between = (part for pair in zip(values, self.pieces[1:], strict=True) for part in pair)
        return self.pieces[0] + "".join(between)


def written_form(query: BoundQuery) -> WrittenForm | None:
    """Return what is written for all queries of a form; None where this one has to be written by itself."""
    meaning = query.meaning
    places = _places(meaning.form) if meaning is not None else {}
    if meaning is None or not places:
        return None
    given = meaning.fillings.items()
    plain = {name: filling for name, filling in given if name in places and _is_plain(filling, places[name])}
    others = tuple((name, filling) for name, filling in given if name not in plain)
    types = tuple((name, filling.type_sql) for name, filling in plain.items())
    fields = tuple((field.name, field.type_oid) for field in query.fields)
    return _kept(query, meaning, plain, (query.settings, fields, types, others)) if plain else None


def _kept(query: BoundQuery, meaning: Meaning, plain: Mapping[str, Filling], key: Hashable) -> WrittenForm | None:
    known = meaning.form.derived.get("written")
    if not isinstance(known, OrderedDict):
        known = meaning.form.derived["written"] = OrderedDict()
    if key not in known:
        known[key] = _write(query, meaning, plain)
        if len(known) > KEPT_MAX:
            known.popitem(last=False)
    known.move_to_end(key)
    found = known[key]
    return found if isinstance(found, WrittenForm) else None


def _write(query: BoundQuery, meaning: Meaning, plain: Mapping[str, Filling]) -> WrittenForm | None:
    """Write a form with marks; it counts if what comes out of it for the query is what the query's own tree gives."""
    marks = {name: _marked(filling, place) for place, (name, filling) in enumerate(plain.items())}
    zone = query.settings.time_zone
    tree = lower(Meaning(meaning.form, {**meaning.fillings, **marks}).tree, zone)
    own = lower(meaning.tree, zone)
    reason = refusal_of(query, tree)
    if reason is not None or refusal_of(query, own) is not None:
        return WrittenForm(reason=reason) if reason == refusal_of(query, own) else None
    try:
        text, wanted = duckdb_text(tree), duckdb_text(own)
    except SqlglotError:
        return None
    tokens = {_written(_literal_in(filling)): name for name, filling in marks.items()}
    parts = re.split(f"({'|'.join(map(_pattern, tokens))})", text)
    names = tuple(tokens[token] for token in parts[1::2])
    made = WrittenForm(reason=None, pieces=tuple(parts[::2]), names=names, native=compares_floats(tree))
    return made if sorted(names) == sorted(plain) and made.text(meaning.fillings) == wanted else None


def _places(form: Form) -> Mapping[str, _Place]:
    """Return the blanks that stand in one place, where values may be plain: the types they are compared with."""
    known = form.derived.get("plain places")
    if not isinstance(known, dict):
        found: dict[str, list[_Place | None]] = {}
        for node in form.tree.find_all(exp.Parameter, exp.Placeholder):
            name = blank_of(node)
            if name is not None:
                found.setdefault(name, []).append(_place(node))
        known = {name: places[0] for name, places in found.items() if len(places) == 1 and places[0] is not None}
        form.derived["plain places"] = known
    return known


def _place(node: exp.Expr) -> _Place | None:
    parent, other = node.parent, None
    if isinstance(parent, exp.Limit | exp.Offset):
        return ()
    if isinstance(parent, _COMPARISONS):
        other = parent.expression if node.arg_key == "this" else parent.this
    elif isinstance(parent, exp.In | exp.Between) and node.arg_key in ("expressions", "low", "high"):
        other = parent.this
    kind = output_type(other) if isinstance(other, exp.Column) else None
    return next((family for family in _FAMILIES if kind in family), None)


def _is_plain(filling: Filling, place: _Place) -> bool:
    node, literal = filling.node, _literal_in(filling)
    if not isinstance(literal, exp.Literal):
        return False
    if not place:
        return literal.name.isdigit()
    if isinstance(node, exp.Literal):
        return place is TEXTS if node.is_string else place is INTEGERS and node.name.isdigit()
    kind = node.args["to"]
    if kind.expressions or kind.this not in place:
        return False
    if place is _MOMENTS:
        return NEAR.fullmatch(literal.name) is not None
    return place is TEXTS or _WRITTEN_NUMBER.fullmatch(literal.name) is not None


def _literal_in(filling: Filling) -> exp.Expr:
    return filling.node.this if isinstance(filling.node, exp.Cast) else filling.node


def _marked(filling: Filling, place: int) -> Filling:
    """Put a mark of the same kind in the place of a value."""
    node = copied(filling.node)
    made = Filling(type_sql=filling.type_sql, text=filling.text, node=node)
    literal = _literal_in(made)
    if NEAR.fullmatch(literal.name):
        mark = f"9708-{place:06}"
    elif literal.name.isdigit() or _WRITTEN_NUMBER.fullmatch(literal.name):
        mark = f"90708{place:014}" if int(literal.name) > _INT4_MAX else f"20708{place:05}"
    else:
        mark = f"omnisql value {place}"
    literal.set("this", mark)
    return made


def _written(literal: exp.Expr) -> str:
    return "'" + literal.name.replace("'", "''") + "'" if literal.is_string else literal.name


def _pattern(token: str) -> str:
    return re.escape(token) if token.startswith("'") else rf"(?<![\w.'\"]){token}(?![\w.'\"])"
