"""What becomes of a statement's trail: tables, masks and filters by API names, one record or two, one end."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

import msgspec
import pytest
from authorized import authorize
from msgspec import structs
from plain_settings import SETTINGS

from catalog.audit_groups import GroupText, in_full
from catalog.connection import OwnConnection
from omnisql_server.audit.account import Account, Session, note_repeated
from omnisql_server.audit.journal import Journal
from omnisql_server.audit.record import SUCCEEDED, MaskApplied, Record, TableRead, decoded, encoded, new_id, new_salt
from omnisql_server.model.principal import Principal
from omnisql_server.model.query import BoundQuery, Occurrence, ParsedQuery
from omnisql_server.model.relation import Attribute, Relation, RelationKind
from omnisql_server.model.run import Repeated
from omnisql_server.model.statement import Statement, StatementKind
from omnisql_server.parse.redaction import redacted
from omnisql_server.policy.rules import parse_rules

CHAIN = UUID(int=7)
PRINCIPAL = Principal(tenant="acme", name="eve")
RULES = parse_rules(
    {
        "version": 1,
        "masks": [
            {"name": "mail", "tables": ["hub.users"], "column": "email", "mask": "redact"},
            {"name": "phone", "tables": ["hub.users"], "column": "phone", "mask": "redact"},
        ],
    },
    "test",
)


class Kept(Journal):
    """A journal that nobody empties, so that a test sees what is in it."""

    def __init__(self) -> None:
        super().__init__(self._nowhere, timeout_s=1)

    async def _nowhere(self) -> OwnConnection:
        raise ConnectionRefusedError

    def taken(self) -> list[Record]:
        """Return what was given, and let those go on who wait for it."""
        group = GroupText(new_salt())
        while self._waiting:
            chain, what, future = self._waiting.popleft()
            assert chain == CHAIN
            if isinstance(what, str):
                group.add(what)
            else:
                group.add_again(what, new_id())
            if not future.done():
                future.set_result(None)
        return [decoded(each) for each in in_full(group.lines)]


def bound() -> BoundQuery:
    relation = Relation(
        oid=1,
        schema="my",
        name="people",
        kind=RelationKind.API,
        owner="x",
        attributes=(
            Attribute(number=1, name="Mail", type_oid=25, type_sql="text", api_column="email"),
            Attribute(number=2, name="name", type_oid=25, type_sql="text", api_column="name"),
        ),
        server="hub1",
        wrapper="hub",
        api_table="users",
    )
    return BoundQuery(
        parsed=ParsedQuery(text="", references=(), named_columns=frozenset(), tree=None),
        meaning=None,
        reason="",
        occurrences=(Occurrence(scan_name="scan_0", relation=relation, columns=("Mail", "name")),),
        relations={},
        views={},
        parameter_oids=(),
        fields=(),
        settings=SETTINGS,
        catalog_sequence=1,
    )


def account(journal: Journal, kind: StatementKind = StatementKind.SELECT, text: str = "SELECT 'hunter2'") -> Account:
    session = Session(journal=journal, redact=redacted, tenant_id=CHAIN, principal=PRINCIPAL, client="192.0.2.1")
    return Account(session, Statement(text=text, kind=kind, references=()))


async def test_names_of_a_record_are_the_apis_and_only_masks_of_what_is_read_count() -> None:
    journal = Kept()
    one = account(journal)
    one.trail.bound = bound()
    one.trail.authorized.append(authorize(one.trail.bound, PRINCIPAL, RULES))
    one.end_soon(SUCCEEDED)
    (record,) = journal.taken()
    assert record.tables == (
        TableRead(server="hub1", table="hub.users", relation="my.people", columns=("email", "name")),
    )
    assert record.masks == (MaskApplied(table="hub.users", column="email", policy="mail", kind="redact"),)
    assert (record.principal, record.roles, record.client) == ("eve", ("eve", "ana"), "192.0.2.1")
    assert (record.phase, record.text) == ("whole", "SELECT ?")


async def test_requests_at_the_same_time_begin_a_statement_once() -> None:
    journal = Kept()
    one = account(journal)
    beginning = [asyncio.ensure_future(one.trail.begin()) for _ in range(5)]
    await asyncio.sleep(0)
    assert [each.phase for each in journal.taken()] == ["start"]
    await asyncio.gather(*beginning)
    one.end_soon(SUCCEEDED)
    assert [each.phase for each in journal.taken()] == ["finish"]


async def test_one_request_that_is_canceled_does_not_cancel_the_beginning_of_another() -> None:
    journal = Kept()
    one = account(journal)
    first, second = (asyncio.ensure_future(one.trail.begin()) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.sleep(0)
    journal.taken()
    await second
    assert first.cancelled()


async def test_a_statement_ends_once() -> None:
    journal = Kept()
    one = account(journal)
    one.end_soon("57014")
    await one.end(SUCCEEDED)
    assert [each.outcome for each in journal.taken()] == ["57014"]


async def test_a_text_that_is_not_grammatical_is_withheld_whole() -> None:
    journal = Kept()
    account(journal, StatementKind.NOT_GRAMMATICAL, "CREATE USER MAPPING OPTIONS (token hunter2)").end_soon("42601")
    assert [each.text for each in journal.taken()] == [""]


async def test_two_records_of_the_same_never_have_the_same_digest() -> None:
    journal = Kept()
    for _ in range(2):
        account(journal).end_soon(SUCCEEDED)
    one, other = journal.taken()
    assert one.salt != other.salt


async def test_what_is_answered_again_is_on_record_as_if_it_were_the_first_time() -> None:
    journal = Kept()
    session = Session(journal=journal, redact=redacted, tenant_id=CHAIN, principal=PRINCIPAL, client='a "name"')
    query = authorize(bound(), PRINCIPAL, RULES)
    statement = Statement(text="SELECT 'hunter2'", kind=StatementKind.SELECT, references=())
    repeated = Repeated(messages=b"", rows=3, statement=statement, query=query, reports=(), facts={})
    note_repeated(session, repeated, "")
    note_repeated(replace(session, client="192.0.2.9"), repeated, "0af7651916cd43dd8448eb211c80319c")
    once = Account(session, statement)
    once.trail.bound, once.trail.rows = query.query, 3
    once.trail.authorized.append(query)
    once.end_soon(SUCCEEDED)
    first, second, alone = journal.taken()
    assert (first.id, second.id) == (first.query_id, second.query_id)
    assert len({each.id for each in (first, second, alone)}) == 3
    # What is alike and written together has one digest, and one salt.
    assert first.salt == second.salt != alone.salt
    assert datetime.fromisoformat(first.at) <= datetime.fromisoformat(second.at) <= datetime.now(UTC)
    assert structs.replace(first, id=alone.id, query_id="", at=alone.at, salt=alone.salt) == alone
    assert (second.client, second.trace_id) == ("192.0.2.9", "0af7651916cd43dd8448eb211c80319c")


def test_a_record_reads_back_as_it_was_written() -> None:
    record = Record(version=1, id="1", phase="whole", at="now", kind="SELECT", tenant="ö", principal="é", salt="s")
    assert decoded(encoded(record)) == record
    with pytest.raises(msgspec.DecodeError):
        decoded("{}")
