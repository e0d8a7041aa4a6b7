"""Which conditions are sent to an owner's backend: those alone that cannot fail and mean the same to everybody."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest
import sqlglot
from plain_settings import SETTINGS

from connectors.sdk.scan import Operator, Value
from omnisql_server.model.meaning import meaning_of
from omnisql_server.model.query import BoundQuery, Occurrence, OwnerRead, OwnerReads, ParsedQuery
from omnisql_server.model.relation import Attribute, Relation, RelationKind
from omnisql_server.owner_conditions import where_of
from omnisql_server.plan.constants import Unknown
from omnisql_server.plan.found import ScanConditions
from omnisql_server.plan.owner_scans import owner_scans
from omnisql_server.plan.recognize import Condition

TYPES = {"n": 23, "t": 25, "b": 16, "z": 1184, "f": 701, "odd": 70_000}
RELATION = Relation(
    oid=20_001,
    schema="public",
    name="hidden",
    kind=RelationKind.LOCAL,
    owner="admin",
    attributes=tuple(
        Attribute(number=place, name=name, type_oid=oid, type_sql="")
        for place, (name, oid) in enumerate(TYPES.items(), 1)
    ),
)
READ = OwnerRead(view="public.v", role="admin", relation=RELATION, columns=("n",))
MOMENT = datetime(2026, 1, 1, tzinfo=UTC)


def condition(column: str, operator: Operator, value: Value) -> Condition:
    return Condition(source="h", column=column, operator=operator, value=value, type_oid=TYPES[column], sql="")


def sent(*by_place: list[Condition], catalog_first: bool = True) -> list[tuple[str, tuple[object, ...]]]:
    """Return the WHERE clauses of the readings of places that share their columns."""
    query = BoundQuery(
        parsed=ParsedQuery(text="", references=(), named_columns=frozenset(), tree=None),
        meaning=meaning_of(sqlglot.parse_one("SELECT 1")),
        reason="",
        occurrences=tuple(
            Occurrence(scan_name=f"scan_{place}", relation=RELATION, columns=("n",), place=(place,))
            for place in range(len(by_place))
        ),
        relations={},
        views={},
        parameter_oids=(),
        fields=(),
        settings=replace(SETTINGS, catalog_first=catalog_first),
        catalog_sequence=1,
        as_owners=OwnerReads(reads={(place,): READ for place in range(len(by_place))}),
    )
    found = {f"scan_{place}": ScanConditions(conditions=each) for place, each in enumerate(by_place)}
    return [where_of(scan.predicates, scan.read.relation) for scan in owner_scans(query, found)]


@pytest.mark.parametrize(
    ("given", "where", "values"),
    [
        (condition("n", Operator.GE, 5), 't."n" OPERATOR(pg_catalog.>=) $1::pg_catalog.int8', (5,)),
        (condition("t", Operator.EQ, "a'b"), 't."t" OPERATOR(pg_catalog.=) $1::pg_catalog.text', ("a'b",)),
        (
            condition("t", Operator.IN, ("a", "b")),
            't."t" OPERATOR(pg_catalog.=) ANY ($1::pg_catalog.text[])',
            (["a", "b"],),
        ),
        (condition("b", Operator.EQ, True), 't."b" OPERATOR(pg_catalog.=) $1::pg_catalog.bool', (True,)),
        (condition("z", Operator.LT, MOMENT), 't."z" OPERATOR(pg_catalog.<) $1::pg_catalog.timestamptz', (MOMENT,)),
        (condition("t", Operator.IS_NULL, None), 't."t" IS NULL', ()),
    ],
)
def test_plain_conditions_are_sent(given: Condition, where: str, values: tuple[object, ...]) -> None:
    assert sent([given]) == [(f" WHERE {where}", values)]


@pytest.mark.parametrize(
    "given",
    [
        condition("t", Operator.LT, "m"),
        condition("t", Operator.NE, "m"),
        condition("t", Operator.LIKE, "m%"),
        condition("n", Operator.EQ, 2**63),
        condition("n", Operator.EQ, Decimal(1)),
        condition("n", Operator.IN, (1, "2")),
        condition("f", Operator.EQ, 1.0),
        condition("odd", Operator.IS_NULL, None),
        condition("t", Operator.EQ, Unknown("$1")),
    ],
)
def test_what_may_fail_or_mean_something_else_is_not(given: Condition) -> None:
    assert sent([given]) == [("", ())]


def test_operators_may_be_a_users_own_under_another_search_path() -> None:
    assert sent([condition("n", Operator.EQ, 1)], catalog_first=False) == [("", ())]


def test_places_that_share_a_reading_share_what_holds_for_all_of_them() -> None:
    one, two = condition("n", Operator.EQ, 1), condition("b", Operator.EQ, True)
    assert sent([one, two], [two]) == [(' WHERE t."b" OPERATOR(pg_catalog.=) $1::pg_catalog.bool', (True,))]
    assert sent([one], []) == [("", ())]
