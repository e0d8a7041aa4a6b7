"""What DuckDB is asked by a form that was written for other values is what the statement's own tree gives."""

from __future__ import annotations

import re
from dataclasses import replace
from random import Random

import pytest
from plain_settings import SETTINGS

from omnisql_server.bind.fold import (
    blank_literals,
    constant_fillings,
    extract_constants,
    literal_fillings,
    parameter_fillings,
)
from omnisql_server.bind.resolve import Closure
from omnisql_server.bind.tree import qualify_query
from omnisql_server.execute.allowed import refusal_of
from omnisql_server.execute.by_form import KEPT_MAX, written_form
from omnisql_server.execute.duckdb_text import duckdb_text
from omnisql_server.execute.lower import lower
from omnisql_server.model.meaning import Filling, Form, Meaning
from omnisql_server.model.query import BoundQuery
from omnisql_server.model.relation import Attribute, Relation, RelationKind
from omnisql_server.parse.shaped import shaped_query
from wire.backend import Field

COLUMNS = {
    "id": (23, "integer"),
    "big": (20, "bigint"),
    "a": (25, "text"),
    "at": (1184, "timestamp with time zone"),
    "f": (701, "float8"),
    "n": (1700, "numeric"),
    "b": (16, "boolean"),
}
TEXTS = (
    "",
    "a",
    "it's",
    "'",
    "''",
    "omnisql value 0",
    "' OR true --",
    "20708" + "0" * 5,
    "9708-000000",
    "%_",
    "2026-01-01",
)
NUMBERS = ("0", "7", "2070800000", "2147483647", "2147483648", "9223372036854775807")
POOLS = {":t": [f"'{text.replace(chr(39), chr(39) * 2)}'" for text in TEXTS], ":n": NUMBERS, ":d": ("1.5", "0.25")}
BY_LITERALS = (
    "SELECT id FROM t WHERE a = :t",
    "SELECT id FROM t WHERE a = :t AND lower(a) = :t AND big < :n",
    "SELECT id FROM t WHERE a IN (:t, :t) AND id BETWEEN :n AND :n ORDER BY id LIMIT :n OFFSET :n",
    "SELECT a || 'omnisql value 1' FROM t WHERE a <> :t AND a <> :t",
    "SELECT id FROM t WHERE f > :n AND f < :d AND n > :d AND n = :n",
    "SELECT id FROM t WHERE :n = id AND a LIKE :t AND id + 1 > 20708",
    "SELECT x.id FROM t x LEFT JOIN t y ON y.id = x.id AND y.a = :t WHERE x.id > :n",
)
BY_THEMSELVES = (BY_LITERALS[3], BY_LITERALS[4])
"""One has what could be a mark in it, the other compares with types whose values are looked at."""
MOMENTS = ("2026-01-01 00:00:00+00", "0044-03-15 12:00:00.5+00 BC", "infinity", "9708-000001", "2026-06-01 10:00:00+02")
TYPED = {"integer": ("1", "-5", "2147483647", "0x1F", " 7", None), "text": (*TEXTS, None)}
TYPED["timestamp with time zone"] = (*MOMENTS, None)
BY_PARAMETERS = (
    ("SELECT id FROM t WHERE id = $1 AND a = $2", ("integer", "text")),
    ("SELECT id FROM t WHERE a = $1 OR a > $1 LIMIT $2", ("text", "integer")),
    ("SELECT id FROM t WHERE at >= $1 AND at < $2 AND a <> $3", ("timestamp with time zone",) * 2 + ("text",)),
    ("SELECT $1, id FROM t WHERE big IN ($2, $3)", ("text", "integer", "integer")),
)


class ByForm:
    """Binds texts of one shape by one form."""

    def __init__(self) -> None:
        self.forms: dict[str, Form] = {}

    def bound(self, sql: str, parameters: list[tuple[str, str | None]]) -> BoundQuery:
        """Bind by the form of the text's shape."""
        parsed = shaped_query(sql)
        shape = parsed.shape or parsed
        attributes = tuple(
            Attribute(number=n, name=c, type_oid=o, type_sql=t, api_column=c)
            for n, (c, (o, t)) in enumerate(COLUMNS.items(), 1)
        )
        relation = Relation(oid=1, schema="app", name="t", kind=RelationKind.API, owner="o", attributes=attributes)
        qualified = qualify_query(shape, Closure(by_name={(None, "t"): relation}))
        folded = extract_constants(qualified.tree)
        assert not folded.constants
        blanked = blank_literals(folded, parsed.literals)
        assert blanked is not None
        form = self.forms.setdefault(shape.text, Form(folded.tree))
        fillings = {**literal_fillings(blanked, parsed.literals), **parameter_fillings(parameters)}
        return BoundQuery(
            parsed=parsed,
            meaning=Meaning(form, fillings),
            reason="",
            occurrences=qualified.occurrences,
            relations={},
            views={},
            parameter_oids=(),
            fields=(Field(name="id", type_oid=23),),
            settings=SETTINGS,
            catalog_sequence=1,
        )


def check(query: BoundQuery) -> bool:
    """Compare what is asked by the form to what the tree gives, and say whether there is anything by the form."""
    form = written_form(query)
    if form is None or query.meaning is None:
        return False
    tree = lower(query.meaning.tree, SETTINGS.time_zone)
    assert form.reason == refusal_of(query, tree)
    if form.reason is None:
        assert form.text(query.meaning.fillings) == duckdb_text(tree)
    return True


@pytest.mark.parametrize("statement", BY_LITERALS)
def test_other_literals_are_asked_as_the_text_itself(statement: str) -> None:
    by_form, random = ByForm(), Random(20_261_127)
    texts = [re.sub(":[tnd]", lambda found: random.choice(POOLS[found[0]]), statement) for _ in range(40)]
    found = {check(by_form.bound(sql, [])) for sql in texts}
    assert found == {statement not in BY_THEMSELVES}


@pytest.mark.parametrize(("statement", "types"), BY_PARAMETERS)
def test_other_parameters_are_asked_as_the_text_itself(statement: str, types: tuple[str, ...]) -> None:
    by_form, random = ByForm(), Random(20_261_127)
    given = [[(kind, random.choice(TYPED[kind])) for kind in types] for _ in range(60)]
    assert True in {check(by_form.bound(statement, parameters)) for parameters in given}


def test_a_form_is_written_once_for_values_that_are_only_compared() -> None:
    by_form = ByForm()
    forms = [written_form(by_form.bound(f"SELECT id FROM t WHERE a = 'x{n}' AND id < {n}", [])) for n in range(3)]
    assert forms[0] is not None
    assert forms[0] is forms[1] is forms[2]


def test_other_settings_and_columns_are_asked_anew() -> None:
    by_form = ByForm()
    query = by_form.bound("SELECT id FROM t WHERE a = 'x'", [])
    styled = replace(query, settings=replace(SETTINGS, date_style="SQL, DMY"))
    shown = replace(query, fields=(Field(name="id", type_oid=869),))
    reasons = [form.reason for form in map(written_form, (query, styled, shown, query)) if form is not None]
    assert reasons[0] is reasons[3] is None
    assert reasons[1] == "the session shows values in another style than this server's own"
    assert reasons[2] == "the result has a type that DuckDB shows differently"


def test_what_is_kept_with_a_form_is_bounded() -> None:
    by_form = ByForm()
    for n in range(2 * KEPT_MAX):
        assert check(by_form.bound(f"SELECT id FROM t WHERE a LIKE 'x{n}' AND id < {n}", []))
    (form,) = by_form.forms.values()
    assert len(form.derived["written"]) == KEPT_MAX  # type: ignore[arg-type]


def test_constants_that_postgresql_worked_out_are_plain_where_both_engines_have_them() -> None:
    by_form = ByForm()
    query = by_form.bound("SELECT id FROM t WHERE at > $1", [("timestamp with time zone", MOMENTS[0])])
    assert query.meaning is not None
    given = constant_fillings([("timestamp with time zone", moment) for moment in MOMENTS])
    forms = []
    for filling in given.values():
        fillings: dict[str, Filling] = {"$1": filling}
        one = replace(query, meaning=Meaning(query.meaning.form, fillings))
        check(one)
        forms.append(written_form(one))
    assert forms[0] is forms[3] is forms[4] is not None
    assert forms[1] is forms[2] is None
