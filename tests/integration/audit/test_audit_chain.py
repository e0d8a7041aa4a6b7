"""Chains of records: they grow by appending alone, and every other change is found."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from uuid import UUID, uuid4

import asyncpg
import pytest
import pytest_asyncio
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from catalog.audit import (
    DROP,
    WRITER_ROLE,
    append,
    drop_months,
    groups_of,
    head_of,
    last_before,
    linked,
    recent_records,
    records_of,
)
from catalog.audit_groups import Again
from catalog.clusters import EmbeddedCluster
from catalog.connection import Connection, OwnConnection
from catalog.control import CONTROL_DATABASE
from catalog.errors import DatabaseInUse
from omnisql_server.audit.errors import AuditBroken, AuditUnavailable
from omnisql_server.audit.journal import Journal
from omnisql_server.audit.record import VERSION, Record, common_part, decoded, encoded, new_id, new_salt, now
from omnisql_server.audit.signing import HeadSigner, SigningKey
from omnisql_server.audit.verify import verify

pytestmark = pytest.mark.asyncio(loop_scope="session")

KEY = bytes(range(32))
PUBLIC = Ed25519PrivateKey.from_private_bytes(KEY).public_key()
UNGUARDED = "SET session_replication_role = replica"
"""What a superuser does to change records all the same."""


def record(phase: str = "whole", identity: str = "") -> Record:
    return Record(
        version=VERSION,
        id=identity or new_id(),
        phase=phase,
        at=now(),
        kind="SELECT",
        tenant="acme",
        principal="ana",
        salt=new_salt(),
    )


@pytest_asyncio.fixture(loop_scope="session")
async def owner(cluster: EmbeddedCluster) -> AsyncIterator[OwnConnection]:
    connection = await cluster.connect(cluster.superuser, CONTROL_DATABASE)
    yield connection
    await connection.close()


@pytest_asyncio.fixture(loop_scope="session")
async def chain(owner: OwnConnection) -> UUID:
    """Return a chain of ten records, each written by itself."""
    chain = uuid4()
    for _ in range(10):
        await append(owner, {chain: encoded(record())})
    return chain


def signer(connection: Connection) -> HeadSigner:
    @asynccontextmanager
    async def lend() -> AsyncIterator[Connection]:
        yield connection

    return HeadSigner(SigningKey(KEY), lend)


async def test_a_chain_that_nobody_touched_holds(owner: OwnConnection, chain: UUID) -> None:
    await signer(owner).sign()
    await append(owner, {chain: encoded(record())})
    verified = await verify(owner, chain, PUBLIC)
    assert (verified.first, verified.last, verified.signed, verified.unfinished) == (1, 11, 10, ())


async def test_a_start_without_a_finish_is_shown(owner: OwnConnection, chain: UUID) -> None:
    both = [encoded(record("start", "done")), encoded(record("finish", "done"))]
    await append(owner, {chain: "\n".join([*both, encoded(record("start", "lost"))])})
    assert [identity for identity, _ in (await verify(owner, chain, PUBLIC)).unfinished] == ["lost"]


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE audit.records SET record = record WHERE tenant = $1",
        "DELETE FROM audit.records WHERE tenant = $1 AND number = 5",
    ],
)
async def test_records_refuse_to_be_changed_even_by_a_superuser(owner: OwnConnection, chain: UUID, change: str) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="audit records are not changed"):
        await owner.execute(change, chain)
    assert (await verify(owner, chain, PUBLIC)).last == 10


async def test_records_refuse_to_be_truncated(owner: OwnConnection, chain: UUID) -> None:
    tables = ("audit.records", f"audit.records_{datetime.now(UTC):%Y_%m}", "audit.signed_heads")
    for table in tables:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await owner.execute(f"TRUNCATE {table}")
    assert (await verify(owner, chain, PUBLIC)).last == 10


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (
            "UPDATE audit.records SET record = replace(record, 'ana', 'eve') WHERE tenant = $1 AND number = 5",
            "record 5",
        ),
        ("UPDATE audit.records SET at = at + interval '1 s' WHERE tenant = $1 AND number = 5", "record 5"),
        ("UPDATE audit.records SET chain = sha256(chain) WHERE tenant = $1 AND number = 5", "record 5"),
        ("DELETE FROM audit.records WHERE tenant = $1 AND number = 5", "record 5: it is missing"),
        ("DELETE FROM audit.records WHERE tenant = $1 AND number = 1", "no signed head stands for them"),
        ("DELETE FROM audit.records WHERE tenant = $1 AND number = 10", "does not end where its head says"),
        ("DELETE FROM audit.records WHERE tenant = $1", "no signed head stands for them"),
        ("UPDATE audit.heads SET number = 9 WHERE tenant = $1", "does not end where its head says"),
        ("UPDATE audit.signed_heads SET chain = sha256(chain) WHERE tenant = $1", "the signature over the head"),
        ("UPDATE audit.signed_heads SET number = 9 WHERE tenant = $1", "the signature over the head"),
    ],
)
async def test_every_other_change_is_found(owner: OwnConnection, chain: UUID, change: str, found: str) -> None:
    await signer(owner).sign()
    async with unguarded(owner):
        await owner.execute(change, chain)
    with pytest.raises(AuditBroken) as broken:
        await verify(owner, chain, PUBLIC)
    assert found in str(broken.value.detail)


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ("SET record = replace(record, 'ana', 'eve')", "record 11 to 14: the record, or one before it"),
        (r"SET record = record || E'\n{}'", "record 11: others were put in"),
        ("SET number = number + 1", "record 11: it is missing"),
    ],
)
async def test_a_change_of_what_was_written_together_is_found(owner: OwnConnection, change: str, found: str) -> None:
    chain = uuid4()
    await append(owner, {chain: "\n".join(encoded(record()) for _ in range(10))})
    await append(owner, {chain: "\n".join(encoded(record()) for _ in range(4))})
    assert (await verify(owner, chain, PUBLIC)).last == 14
    assert [each.number async for each in records_of(owner, chain, 8)] == list(range(9, 15))
    assert [each.number for each in await recent_records(owner, chain, "ana", 6)] == list(range(14, 8, -1))
    assert await recent_records(owner, chain, "eve", 6) == ()
    async with unguarded(owner):
        await owner.execute(f"UPDATE audit.records {change} WHERE tenant = $1 AND number = 14", chain)
    with pytest.raises(AuditBroken) as broken:
        await verify(owner, chain, PUBLIC)
    assert found in str(broken.value.detail)


async def test_a_signed_head_inside_of_what_was_written_together_is_found(owner: OwnConnection, chain: UUID) -> None:
    await signer(owner).sign()
    texts = [each.record async for each in records_of(owner, chain)]
    async with unguarded(owner):
        await owner.execute("DELETE FROM audit.records WHERE tenant = $1", chain)
        await owner.execute("DELETE FROM audit.heads WHERE tenant = $1", chain)
    await append(owner, {chain: "\n".join([*texts, encoded(record())])})
    with pytest.raises(AuditBroken) as broken:
        await verify(owner, chain, PUBLIC)
    assert "record 10: a signed head says otherwise" in str(broken.value.detail)


async def test_a_chain_written_anew_is_found_by_its_signed_head(owner: OwnConnection, chain: UUID) -> None:
    await signer(owner).sign()
    texts = [each.record async for each in records_of(owner, chain)]
    async with unguarded(owner):
        await owner.execute("DELETE FROM audit.records WHERE tenant = $1", chain)
        await owner.execute("DELETE FROM audit.heads WHERE tenant = $1", chain)
    for text in texts:
        await append(owner, {chain: text.replace("ana", "eve")})
    with pytest.raises(AuditBroken) as broken:
        await verify(owner, chain, PUBLIC)
    assert "a signed head says otherwise" in str(broken.value.detail)


async def test_a_chain_cut_back_with_its_head_is_found_by_its_signed_head(owner: OwnConnection, chain: UUID) -> None:
    await signer(owner).sign()
    async with unguarded(owner):
        await owner.execute("DELETE FROM audit.records WHERE tenant = $1 AND number > 8", chain)
        await owner.execute(
            "UPDATE audit.heads h SET number = 8, chain = r.chain FROM audit.records r"
            " WHERE h.tenant = $1 AND r.tenant = $1 AND r.number = 8",
            chain,
        )
    with pytest.raises(AuditBroken) as broken:
        await verify(owner, chain, PUBLIC)
    assert "records up to a signed head are missing" in str(broken.value.detail)


async def test_a_head_signed_with_another_key_says_nothing(owner: OwnConnection, chain: UUID) -> None:
    await signer(owner).sign()
    other = Ed25519PrivateKey.from_private_bytes(bytes(32)).public_key()
    assert (await verify(owner, chain, other)).signed == 0


async def test_months_that_are_dropped_leave_a_chain_that_holds(owner: OwnConnection) -> None:
    chain = uuid4()
    for _ in range(3):
        await append(owner, {chain: encoded(record())})
    # As if three of the records were written in January 2020.
    async with unguarded(owner):
        old = datetime(2020, 1, 31, tzinfo=UTC)
        await owner.execute("SELECT audit.prepare_month($1)", old)
        head = bytes(32)
        for number, each in enumerate([each async for each in records_of(owner, chain)], 1):
            head = linked(head, number, old, each.record)
            await owner.execute(
                "UPDATE audit.records SET at = $3, chain = $4 WHERE tenant = $1 AND number = $2",
                chain,
                number,
                old,
                head,
            )
        await owner.execute("UPDATE audit.heads SET chain = $2 WHERE tenant = $1", chain, head)
    await append(owner, {chain: encoded(record())})
    assert (await verify(owner, chain, PUBLIC)).first == 1
    february = datetime(2020, 2, 1, tzinfo=UTC)
    for ended in await last_before(owner, february):
        await signer(owner).put(owner, ended, DROP)
    assert await drop_months(owner, february) == ("2020_01",)
    verified = await verify(owner, chain, PUBLIC)
    assert (verified.first, verified.last, verified.signed) == (4, 4, 3)


async def test_who_reads_keeps_nobody_from_writing_in_a_month_that_begins(
    cluster: EmbeddedCluster, owner: OwnConnection, chain: UUID
) -> None:
    reader = await cluster.connect(cluster.superuser, CONTROL_DATABASE)
    async with reader.transaction():
        assert await reader.fetchval("SELECT count(*) FROM audit.records WHERE tenant = $1", chain) == 10
        async with asyncio.timeout(5):
            await owner.execute("SELECT audit.prepare_month('2031-05-01 00:00:00+00')")
            await append(owner, {chain: encoded(record())})
        with pytest.raises(DatabaseInUse):
            await drop_months(owner, datetime(2031, 6, 1, tzinfo=UTC))
        await append(owner, {chain: encoded(record())})
    await reader.close()
    assert (await verify(owner, chain, PUBLIC)).last == 12


async def test_writers_at_the_same_time_make_one_chain_each_of_their_tenants(cluster: EmbeddedCluster) -> None:
    chains = [uuid4() for _ in range(3)]

    async def write() -> None:
        connection = await cluster.connect(WRITER_ROLE, CONTROL_DATABASE)
        for _ in range(20):
            await append(connection, {chain: encoded(record()) for chain in reversed(chains)})
        await connection.close()

    await asyncio.gather(*(write() for _ in range(4)))
    connection = await cluster.connect(cluster.superuser, CONTROL_DATABASE)
    assert [(await verify(connection, chain, PUBLIC)).last for chain in chains] == [80, 80, 80]
    await connection.close()


async def test_a_journal_writes_what_comes_together_together(cluster: EmbeddedCluster, owner: OwnConnection) -> None:
    chain = uuid4()
    async with Journal(lambda: cluster.connect(WRITER_ROLE, CONTROL_DATABASE), timeout_s=10).running() as journal:
        await asyncio.gather(*(journal.write(chain, record()) for _ in range(300)))
    moments = {each.at async for each in records_of(owner, chain)}
    assert (await head_of(owner, chain)).number == 300
    # The first goes alone or with all others; the rest waits for it and goes together.
    assert len(moments) <= 2


async def test_who_comes_after_many_is_written_with_as_many(cluster: EmbeddedCluster, owner: OwnConnection) -> None:
    chain = uuid4()
    # So long that only their number can end the waiting.
    async with gathering(cluster, 3600) as journal:
        await asyncio.gather(*(journal.write(chain, record()) for _ in range(50)))
        for count in (10, 40):
            last = [journal.note(chain, record()) for _ in range(count)]
            await turns()
        async with asyncio.timeout(30):
            await asyncio.gather(*last)
    assert await counts(owner, chain) == [50, 50]


async def test_who_comes_after_many_is_written_when_no_more_come(
    cluster: EmbeddedCluster, owner: OwnConnection
) -> None:
    chain = uuid4()
    async with gathering(cluster, 0.05) as journal, asyncio.timeout(30):
        await asyncio.gather(*(journal.write(chain, record()) for _ in range(50)))
        await journal.write(chain, record())
    assert await counts(owner, chain) == [50, 1]


async def test_a_journal_that_ends_waits_for_no_more(cluster: EmbeddedCluster, owner: OwnConnection) -> None:
    chain = uuid4()
    async with asyncio.timeout(30), gathering(cluster, 3600) as journal:
        await asyncio.gather(*(journal.write(chain, record()) for _ in range(50)))
        pending = journal.note(chain, record())
        await turns()
        assert not pending.done()
    assert await counts(owner, chain) == [50, 1]


async def test_answers_given_again_are_written_once_and_every_change_of_one_is_found(
    cluster: EmbeddedCluster, owner: OwnConnection
) -> None:
    chain, common = uuid4(), common_part(record())
    async with gathering(cluster, 0) as journal:
        again = [Again(common, "::1", "", 1_000_000 * at) for at in range(4)]
        await asyncio.gather(*(journal.note_again(chain, each) for each in again))
    stored = [each async for each in records_of(owner, chain)]
    read = [decoded(each.record) for each in stored]
    assert [each.at[17:26] for each in read] == ["00.000000", "01.000000", "02.000000", "03.000000"]
    assert len({each.id for each in read}) == 4
    # One digest for all of them, and one salt.
    assert [len(salt) for salt in {each.salt for each in read}] == [32]
    assert [len(each.line) < 80 for each in stored] == [False, True, True, True]
    assert (await verify(owner, chain, PUBLIC)).last == 4
    change = "SET record = replace(record, '\"after_us\":2000000', '\"after_us\":2000001') WHERE tenant = $1"
    async with unguarded(owner):
        await owner.execute(f"UPDATE audit.records {change}", chain)
    with pytest.raises(AuditBroken, match="does not hold"):
        await verify(owner, chain, PUBLIC)


async def test_a_journal_connects_again_when_its_connection_is_lost(
    cluster: EmbeddedCluster, owner: OwnConnection
) -> None:
    chain = uuid4()
    async with Journal(lambda: cluster.connect(WRITER_ROLE, CONTROL_DATABASE), timeout_s=10).running() as journal:
        await journal.write(chain, record())
        assert await owner.fetchval(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE usename = $1", WRITER_ROLE
        )
        await journal.write(chain, record())
    assert (await verify(owner, chain, PUBLIC)).last >= 2


async def test_what_waits_when_a_journal_ends_is_written(cluster: EmbeddedCluster, owner: OwnConnection) -> None:
    chain = uuid4()
    async with Journal(lambda: cluster.connect(WRITER_ROLE, CONTROL_DATABASE), timeout_s=10).running() as journal:
        pending = journal.note(chain, record())
    assert pending.done()
    assert (await verify(owner, chain, PUBLIC)).last == 1
    with pytest.raises(AuditUnavailable):
        journal.note(chain, record())


async def test_a_journal_without_a_database_says_so() -> None:
    async def connect() -> OwnConnection:
        raise ConnectionRefusedError

    async with Journal(connect, timeout_s=10).running() as journal:
        with pytest.raises(AuditUnavailable) as refused:
            await journal.write(uuid4(), record())
    assert refused.value.sqlstate == "58030"


@asynccontextmanager
async def gathering(cluster: EmbeddedCluster, gather_s: float) -> AsyncIterator[Journal]:
    """Run a journal whose groups wait so long for others."""
    journal = Journal(lambda: cluster.connect(WRITER_ROLE, CONTROL_DATABASE), timeout_s=10, gather_s=gather_s)
    async with journal.running():
        yield journal


async def turns() -> None:
    """Let others have their turn, so that who is awake acts."""
    for _ in range(5):
        await asyncio.sleep(0)


async def counts(owner: OwnConnection, chain: UUID) -> list[int]:
    """Return how many records each group has."""
    return [len([*group.records()]) async for group in groups_of(owner, chain)]


@asynccontextmanager
async def unguarded(connection: OwnConnection) -> AsyncIterator[None]:
    """Let a superuser change what refuses to be changed."""
    await connection.execute(UNGUARDED)
    try:
        yield
    finally:
        await connection.execute("RESET session_replication_role")
