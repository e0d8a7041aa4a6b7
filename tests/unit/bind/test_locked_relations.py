"""What was found of a statement's relations against what PostgreSQL locked: a difference is never executed."""

from __future__ import annotations

import pytest

from omnisql_server.bind.resolve import FIRST_USER_OID, Closure, verify
from omnisql_server.errors import InternalError
from omnisql_server.model.relation import Relation, RelationKind

ISSUES, NOTES, OTHER = range(FIRST_USER_OID, FIRST_USER_OID + 3)
API = frozenset({ISSUES, OTHER})


def closure(*oids: int) -> Closure:
    """Return what a text that names relations by these OIDs reaches."""
    return Closure(
        by_name={
            (None, str(oid)): Relation(
                oid=oid, schema="app", name=str(oid), kind=RelationKind.API, owner="ana", attributes=()
            )
            for oid in oids
        }
    )


def test_what_was_found_and_locked_is_executed() -> None:
    verify(closure(ISSUES), frozenset(), frozenset({ISSUES}), API)


def test_an_api_table_that_was_locked_but_not_found_is_never_executed() -> None:
    with pytest.raises(InternalError) as caught:
        verify(closure(ISSUES), frozenset(), frozenset({ISSUES, OTHER}), API)
    assert caught.value.detail == "0 not locked by PostgreSQL, 1 locked but not found"


def test_a_relation_that_postgresql_did_not_lock_is_never_executed() -> None:
    with pytest.raises(InternalError) as caught:
        verify(closure(ISSUES), frozenset(), frozenset({NOTES}), API)
    assert caught.value.detail == "1 not locked by PostgreSQL, 0 locked but not found"


def test_what_was_locked_before_and_local_tables_are_postgresqls_business() -> None:
    verify(closure(ISSUES), frozenset({OTHER}), frozenset({ISSUES, OTHER, NOTES}), API)
    # Relations of PostgreSQL's own are not asked about.
    verify(closure(1259), frozenset(), frozenset(), API)
