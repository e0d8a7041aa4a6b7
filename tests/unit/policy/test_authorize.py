"""What policy adds to a query for its principal; nobody else may make an authorized query."""

from __future__ import annotations

import ast
from dataclasses import replace
from pathlib import Path

import pytest
from authorized import authorize, shown_by
from plain_settings import SETTINGS as PLAIN

from omnisql_server.errors import EntitlementDenied
from omnisql_server.model.mask import Mask, MaskKind
from omnisql_server.model.principal import Principal
from omnisql_server.model.query import AuthorizedQuery, BoundQuery, Occurrence, ParsedQuery
from omnisql_server.model.relation import Relation, RelationKind
from omnisql_server.policy.rules import Rules, parse_rules

ROOT = Path(__file__).parents[3]
RULES = parse_rules(
    {
        "version": 1,
        "row_filters": [
            {
                "name": "rows",
                "tables": ["hub.issues"],
                "column": "repo",
                "attribute": "teams",
                "values": {"web": ["a", "b"], "api": ["b", "c"]},
            }
        ],
        "masks": [
            {
                "name": "mail",
                "tables": ["hub.issues", "hub.users"],
                "column": "email",
                "mask": "redact",
                "except": {"teams": ["security"]},
            }
        ],
        "denials": [{"name": "no-logs", "tables": ["hub.logs"], "except": {"teams": ["finance"], "level": ["high"]}}],
    },
    "test",
)
SETTINGS = replace(PLAIN, current_user="somebody_else")


def query_over(table: str, kind: RelationKind = RelationKind.API) -> BoundQuery:
    relation = Relation(
        oid=1, schema="my", name="own_name", kind=kind, owner="x", attributes=(), wrapper="hub", api_table=table
    )
    return BoundQuery(
        parsed=ParsedQuery(text="", references=(), named_columns=frozenset(), tree=None),
        meaning=None,
        reason="",
        occurrences=(Occurrence(scan_name="scan_0", relation=relation, columns=()),),
        relations={},
        views={},
        parameter_oids=(),
        fields=(),
        settings=SETTINGS,
        catalog_sequence=1,
    )


def allowed(table: str, kind: RelationKind = RelationKind.API, **attributes: tuple[str, ...]) -> AuthorizedQuery:
    return authorize(query_over(table, kind), Principal(tenant="acme", name="ana", attributes=attributes), RULES)


@pytest.mark.parametrize(
    ("teams", "values"),
    [(("web",), ("a", "b")), (("web", "api"), ("a", "b", "c")), (("other",), ()), ((), ())],
)
def test_rows_are_shown_by_the_principals_attribute(teams: tuple[str, ...], values: tuple[str, ...]) -> None:
    assert allowed("issues", teams=teams).filters["scan_0"] == (shown_by("repo", *values, policy="rows"),)


def test_everything_lifts_a_filter_and_an_exception() -> None:
    held = allowed("issues", teams=("*",))
    assert (held.filters["scan_0"], held.masks["scan_0"]) == ((), {})


def test_masks_hold_except_for_some() -> None:
    assert allowed("issues", teams=("web",)).masks["scan_0"] == {"email": Mask(policy="mail", kind=MaskKind.REDACT)}
    assert allowed("users", teams=("security", "web")).masks["scan_0"] == {}
    assert allowed("pulls").masks["scan_0"] == {}


def test_a_denied_table_is_refused_by_the_policys_name() -> None:
    with pytest.raises(EntitlementDenied) as caught:
        allowed("logs", teams=("web",))
    assert (caught.value.sqlstate, caught.value.detail) == ("42501", "policy no-logs")
    assert caught.value.message == "ENTITLEMENT_DENIED: policy does not let you read my.own_name"
    assert allowed("logs", teams=("finance",)).filters["scan_0"] == ()
    assert allowed("logs", level=("high",)).filters["scan_0"] == ()


def test_local_relations_are_postgresqls_own() -> None:
    assert allowed("logs", RelationKind.LOCAL).filters == {}


def test_without_rules_grants_decide() -> None:
    principal = Principal(tenant="acme", name="ana")
    assert authorize(query_over("logs"), principal, Rules()).filters == {"scan_0": ()}


def test_only_policy_makes_an_authorized_query() -> None:
    makers = set()
    for path in (ROOT / "omnisql_server").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            name = getattr(node.func, "id", getattr(node.func, "attr", "")) if isinstance(node, ast.Call) else ""
            if name == "AuthorizedQuery":
                makers.add(path.relative_to(ROOT / "omnisql_server").parts[0])
    assert makers == {"policy"}
