"""A plan by a form that has planned other values before is the plan of the tree itself."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import product
from random import Random

import pytest
from api_model import RELATIONS, api_table, exact
from plain_settings import SETTINGS
from sqlglot import exp

from connectors.sdk.scan import Operator
from connectors.sdk.table import AccessPath, Table
from omnisql_server.bind.fold import (
    blank_literals,
    constant_fillings,
    extract_constants,
    literal_fillings,
    parameter_fillings,
)
from omnisql_server.bind.resolve import Closure
from omnisql_server.bind.tree import placed, qualify_query
from omnisql_server.errors import OmniSQLError
from omnisql_server.model.meaning import Form, Meaning, meaning_of, with_literals
from omnisql_server.model.principal import Principal
from omnisql_server.model.query import AuthorizedQuery, BoundQuery, Occurrence, ParsedQuery
from omnisql_server.parse.shaped import shaped_query
from omnisql_server.parse.tree import parse_query
from omnisql_server.plan.planner import plan

NAMES = {(schema, name): relation for name, relation in RELATIONS.items() for schema in (None, "app")}
PATHS = (
    AccessPath(name="all", request="GET /t", operators={"name": exact(Operator.EQ, Operator.IN, Operator.LIKE)}),
    AccessPath(name="by_id", request="GET /t/{id}", keys=("id",), operators={"big": exact(Operator.GT)}, single=True),
    AccessPath(name="by_name", request="GET /n", keys=("name",), batch="name", batch_keys_max=2, page_rows_max=10),
)
POOLS = {
    ":t": ("'a'", "'b'", "'it''s'", "'a%'", "'%'", "''", "'5'"),
    ":n": ("1", "2", "7", "2147483647"),
    ":m": ("'2026-03-08'", "'2026-03-09'", "'2027-01-01 00:00:00+00'"),
}
STATEMENTS = (
    "SELECT id FROM t WHERE name = :t",
    "SELECT id FROM t WHERE name = :t AND name IN (:t, :t)",
    "SELECT id FROM t WHERE id = :n OR id = :n",
    "SELECT id FROM t WHERE big BETWEEN :n AND :n AND big > :n",
    "SELECT id FROM t WHERE name LIKE :t ORDER BY id LIMIT :n OFFSET :n",
    "SELECT t.id FROM t JOIN u ON t.name = u.name WHERE t.name = :t AND u.name = :t",
    "SELECT t.id FROM t JOIN u ON u.id = t.id JOIN v ON v.id = u.id WHERE t.name = :t AND v.big > :n",
    "SELECT t.id FROM t LEFT JOIN u ON u.id = t.id AND u.name = :t WHERE t.big = :n",
    "SELECT id FROM t WHERE at >= :m AND at < :m",
    "SELECT id FROM t WHERE date_trunc('day', at) = :m",
    "SELECT k FROM (SELECT 'a' AS k, id FROM t UNION ALL SELECT 'b', id FROM u) x WHERE k = :t AND id = :n",
    "SELECT id FROM t WHERE id IN (SELECT id FROM u WHERE u.name = :t LIMIT :n)",
    "WITH w AS (SELECT id, name FROM t) SELECT w.id FROM w WHERE w.name = :t AND lower(w.name) = :t",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What is known of a shape."""

    form: Form
    blanked: Mapping[str, exp.Literal]
    occurrences: tuple[Occurrence, ...]
    constants: tuple[exp.Expr, ...]


class ByForm:
    """Binds texts of one shape by one form."""

    def __init__(self) -> None:
        self.known: dict[str, Known] = {}

    def bound(self, sql: str) -> BoundQuery:
        """Bind by the form of the text's shape."""
        parsed = shaped_query(sql)
        shape = parsed.shape or parsed
        if shape.text not in self.known:
            qualified = qualify_query(shape, Closure(by_name=NAMES))
            folded = extract_constants(qualified.tree)
            blanked = blank_literals(folded, parsed.literals)
            assert blanked is not None
            self.known[shape.text] = Known(
                form=Form(folded.tree),
                blanked=blanked,
                occurrences=qualified.occurrences,
                constants=folded.constants,
            )
        known = self.known[shape.text]
        constants = [with_literals(constant, parsed.literals).sql("postgres") for constant in known.constants]
        fillings = {
            **literal_fillings(known.blanked, parsed.literals),
            **constant_fillings([evaluated(constant) for constant in constants]),
        }
        return query_of(parsed, Meaning(known.form, fillings), placed(known.occurrences, parsed))


def plainly(sql: str) -> BoundQuery:
    """Bind a text by itself."""
    parsed = parse_query(sql)
    qualified = qualify_query(parsed, Closure(by_name=NAMES))
    folded = extract_constants(qualified.tree)
    fillings = constant_fillings([evaluated(constant.sql("postgres")) for constant in folded.constants])
    tree = Meaning(Form(folded.tree), fillings).tree
    return query_of(parsed, meaning_of(tree), qualified.occurrences)


def evaluated(constant: str) -> tuple[str, str]:
    """Answer for PostgreSQL what a moment that is cast is."""
    text = constant.split("'")[1]
    return "timestamp with time zone", text if " " in text else f"{text} 00:00:00+00"


def query_of(parsed: ParsedQuery, meaning: Meaning | None, occurrences: tuple[Occurrence, ...]) -> BoundQuery:
    return BoundQuery(
        parsed=parsed,
        meaning=meaning,
        reason="",
        occurrences=occurrences,
        relations=NAMES,
        views={},
        parameter_oids=(),
        fields=(),
        settings=SETTINGS,
        catalog_sequence=1,
    )


def outcome(query: BoundQuery, table: Table) -> object:
    """Plan a query: its scans, or the error."""
    authorized = AuthorizedQuery(query=query, principal=Principal(tenant="acme", name="ana", attributes={}))
    try:
        return plan(authorized, lambda _: table, 3).scans
    except OmniSQLError as error:
        return (type(error), error.message, error.detail, error.hint)


@pytest.mark.parametrize("statement", STATEMENTS)
def test_other_values_are_planned_as_the_text_itself(statement: str) -> None:
    by_form, table, random = ByForm(), api_table(*PATHS), Random(20_261_126)
    for _ in range(16):
        sql = re.sub(":[tnm]", lambda found: random.choice(POOLS[found[0]]), statement)
        assert outcome(by_form.bound(sql), table) == outcome(plainly(sql), table), sql
    assert len(by_form.known) <= 2


def test_a_table_that_is_declared_anew_is_planned_anew() -> None:
    by_form, table = ByForm(), api_table(*PATHS)
    other = replace(table, access_paths=PATHS[:1])
    for at in range(6):
        sql = f"SELECT t.id FROM t JOIN u ON u.id = t.id WHERE t.id = {at}"
        for each in (table, other):
            assert outcome(by_form.bound(sql), each) == outcome(plainly(sql), each)


def test_parameters_are_blanks_wherever_they_stand() -> None:
    sql = "SELECT k FROM (SELECT $1 AS k, id FROM t UNION ALL SELECT 'b', id FROM u) x WHERE k = 'a' AND id = $2"
    parsed = parse_query(sql)
    qualified = qualify_query(parsed, Closure(by_name=NAMES))
    form, table = Form(extract_constants(qualified.tree).tree), api_table(*PATHS)
    for first, second in product(("a", "b"), ("1", "2")):
        meaning = Meaning(form, parameter_fillings([("text", first), ("int4", second)]))
        found = query_of(parsed, meaning, qualified.occurrences)
        plain = query_of(parsed, meaning_of(meaning.tree), qualified.occurrences)
        assert outcome(found, table) == outcome(plain, table)
