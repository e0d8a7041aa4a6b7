"""Credentials of a PostgreSQL that OpenBao makes for a time: renewed, made anew, one pair at a time."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest
from demo_server import DemoServer
from external_postgres import PASSWORD, SUPERUSER, ExternalPostgres, external_postgres
from key_server import KeyServer, server_of
from served import until

from catalog.errors import KeysUnavailable, SecretRefused, SecretUnknown
from catalog.key_server import KeyServer as Asked
from catalog.kv_secrets import Followed, KvSecrets, Reference, Seen
from catalog.leases import Leases

AUDIENCE = "https://erp.test:443"
SCHEMA = """
CREATE ROLE reader;
CREATE SCHEMA sales;
CREATE VIEW sales.who AS SELECT current_user::text AS name;
CREATE TABLE sales.orders (id int PRIMARY KEY);
INSERT INTO sales.orders SELECT generate_series(1, 10);
GRANT USAGE ON SCHEMA sales TO reader;
GRANT SELECT ON ALL TABLES IN SCHEMA sales TO reader;
"""
MADE = "CREATE ROLE \"{{name}}\" LOGIN PASSWORD '{{password}}' VALID UNTIL '{{expiration}}' IN ROLE reader"
LASTS_S = 600
HELD_S = 300.0


@dataclass(slots=True)
class Clock:
    """Time that passes when it is told to, beside that which does."""

    passed_s: float = 0.0

    def __call__(self) -> float:
        return time.monotonic() + self.passed_s


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """A key server, the database that it makes roles in, and this server's way to them."""

    bao: KeyServer
    erp: ExternalPostgres
    clock: Clock
    asked: Asked
    leases: Leases
    secrets: KvSecrets

    async def pair(self, path: str = "erp") -> tuple[Followed, Followed]:
        """Read user and password as they are for one connection."""
        seen: Seen = {}
        user = await self.secrets.read("acme", Reference(path=path, field="username"), AUDIENCE, seen)
        return user, await self.secrets.read("acme", Reference(path=path, field="password"), AUDIENCE, seen)

    def logs_in(self, user: Followed, password: Followed) -> bool:
        """Say whether a pair opens a session at the database."""
        where = f"host=127.0.0.1 port={self.erp.port} dbname=postgres"
        try:
            with psycopg.connect(where, user=user.value, password=password.value) as session:
                return session.execute("SELECT name FROM sales.who").fetchone() == (user.value,)
        except (psycopg.OperationalError, psycopg.errors.InsufficientPrivilege):
            # One that is being taken away has lost its rights already.
            return False

    def lookup(self) -> list[dict[str, Any]]:
        """Return what the key server knows of its leases of the database."""
        return leases_of(self.bao)


def leases_of(bao: KeyServer, role: str = "reader") -> list[dict[str, Any]]:
    prefix = f"database/creds/{role}"
    try:
        ids = bao.admin.sys.list_leases(prefix=prefix)["data"]["keys"]
    except Exception as error:
        if "InvalidPath" in type(error).__name__:
            return []
        raise
    return [bao.admin.sys.read_lease(lease_id=f"{prefix}/{each}")["data"] for each in ids]


@pytest.fixture(scope="module")
def erp() -> Iterator[ExternalPostgres]:
    with external_postgres() as running:
        running.execute(SCHEMA)
        yield running


@pytest.fixture(scope="module")
def engine(bao: KeyServer, erp: ExternalPostgres) -> KeyServer:
    """Have the key server make roles in the database."""
    bao.admin.sys.enable_secrets_engine("database")
    url = f"postgresql://{{{{username}}}}:{{{{password}}}}@127.0.0.1:{erp.port}/postgres?sslmode=disable"
    bao.admin.write_data(
        "database/config/erp",
        data={
            "plugin_name": "postgresql-database-plugin",
            "allowed_roles": "*",
            "connection_url": url,
            "username": SUPERUSER,
            "password": PASSWORD,
        },
    )
    for role, lasts_s, most_s in (("reader", LASTS_S, 3600), ("short", 2, 2), ("passing", 3, 3600), ("ending", 6, 6)):
        data = {"db_name": "erp", "creation_statements": MADE, "default_ttl": lasts_s, "max_ttl": most_s}
        bao.admin.write_data(f"database/roles/{role}", data=data)
    lead(bao, "erp", "database/creds/reader")
    return bao


def lead(bao: KeyServer, path: str, to: str, audience: str = AUDIENCE) -> None:
    """Have a secret of tenant acme stand for credentials that are made elsewhere."""
    place = f"omnisql/acme/{path}"
    bao.admin.secrets.kv.v2.create_or_update_secret(path=place, secret={"made": "for a time"})
    custom = {"omnisql_audience": audience, "omnisql_lease": to}
    bao.admin.secrets.kv.v2.update_metadata(path=place, custom_metadata=custom)


@pytest.fixture
def world(engine: KeyServer, erp: ExternalPostgres) -> World:
    clock, asked = Clock(), engine.asked()
    leases = Leases(asked, held_s=HELD_S, clock=clock)
    secrets = KvSecrets(asked, mount="secret", prefix="omnisql", leases=leases)
    return World(bao=engine, erp=erp, clock=clock, asked=asked, leases=leases, secrets=secrets)


async def test_user_and_password_are_one_pair_which_is_made_once(world: World) -> None:
    before = len(world.lookup())
    user, password = await world.pair()
    assert world.logs_in(user, password)
    again, _ = await world.pair()
    assert (again.value, again.lease) == (user.value, user.lease)
    assert len(world.lookup()) == before + 1
    assert user.lasts_s is not None
    assert 0 < user.lasts_s <= HELD_S


async def test_a_lease_is_renewed_before_its_end(world: World) -> None:
    user, password = await world.pair()
    world.clock.passed_s += HELD_S + 1
    again, _ = await world.pair()
    assert again.value == user.value
    assert [each["last_renewal"] for each in world.lookup() if each["last_renewal"]] != []
    assert world.logs_in(user, password)


async def test_a_lease_in_use_is_renewed_though_nobody_asks_and_a_forgotten_one_is_let_go(world: World) -> None:
    user, _ = await world.pair()
    renewed = len([each for each in world.lookup() if each["last_renewal"]])
    world.clock.passed_s += HELD_S + 1
    await world.leases.keep_once()
    assert len([each for each in world.lookup() if each["last_renewal"]]) == renewed + 1
    world.clock.passed_s += 3601
    await world.leases.keep_once()
    other, _ = await world.pair()
    assert other.value != user.value


async def test_a_lease_that_is_near_the_most_it_may_last_is_read_anew(world: World) -> None:
    """OpenBao renews it for what is left of the role's max_ttl: too little for a session that begins now."""
    lead(world.bao, "ending", "database/creds/ending")
    user, _ = await world.pair("ending")
    until(lambda: leases_of(world.bao, "ending")[0]["ttl"] <= 1)
    world.clock.passed_s += 2
    other = await world.pair("ending")
    assert other[0].value != user.value
    assert world.logs_in(*other)


async def test_a_lease_that_was_revoked_is_read_anew(world: World) -> None:
    user, password = await world.pair()
    for each in world.lookup():
        world.bao.admin.sys.revoke_lease(lease_id=each["id"])
    until(lambda: not world.logs_in(user, password))
    world.clock.passed_s += HELD_S + 1
    others = await world.pair()
    assert world.logs_in(*others)
    assert others[0].lease != user.lease
    assert others[0].value != user.value


async def test_a_lease_near_the_most_it_may_last_is_read_anew(world: World) -> None:
    lead(world.bao, "short", "database/creds/short")
    user, _ = await world.pair("short")
    never = time.monotonic() + 30
    other = user
    while other.value == user.value:
        assert time.monotonic() < never
        other, password = await world.pair("short")
    assert world.logs_in(other, password)


async def test_what_ends_with_a_token_is_read_anew_under_the_next(world: World) -> None:
    user, password = await world.pair()
    (token,) = [lease.holder for lease in world.leases._leases.values()]
    world.bao.admin.auth.token.revoke(token)
    until(lambda: not world.logs_in(user, password))
    assert world.logs_in(*await world.pair())


async def test_nothing_is_made_for_another_address_or_where_this_server_may_not(world: World) -> None:
    before = len(world.lookup())
    with pytest.raises(SecretRefused, match="not for the address"):
        await world.secrets.read("acme", Reference(path="erp", field="username"), "https://evil.example:443")
    assert len(world.lookup()) == before
    lead(world.bao, "root", "database/config/erp")
    with pytest.raises(SecretRefused, match="does not let"):
        await world.pair("root")
    lead(world.bao, "nothing", "database/creds/nobody")
    with pytest.raises((SecretUnknown, KeysUnavailable)):
        await world.pair("nothing")


@pytest.fixture
def server(engine: KeyServer) -> Iterator[DemoServer]:
    with server_of(engine, HELD_S="1") as running:
        yield running


def rows(session: psycopg.Connection, sql: str) -> list[Any]:
    cursor = session.execute(sql.encode())
    return cursor.fetchall() if cursor.description else []


def refused(session: psycopg.Connection, sql: str) -> psycopg.Error:
    with pytest.raises(psycopg.Error) as caught:
        session.execute(sql.encode())
    return caught.value


def test_a_source_lives_by_leases(engine: KeyServer, erp: ExternalPostgres, server: DemoServer) -> None:
    with psycopg.connect(**server.arguments("admin"), dbname="acme", autocommit=True) as owner:
        rows(
            owner,
            "CREATE SERVER erp FOREIGN DATA WRAPPER postgres"
            f" OPTIONS (host '127.0.0.1', port '{erp.port}', dbname 'postgres', sslmode 'disable')",
        )
        mapping = (
            "CREATE USER MAPPING FOR PUBLIC SERVER erp OPTIONS (user 'kv:{}#username', password 'kv:live#password')"
        )
        lead(engine, "live", "database/creds/passing")
        wrong = refused(owner, mapping.format("live"))
        leads_to = str(wrong.diag.message_detail).partition("leads to ")[2].rstrip(".")
        lead(engine, "live", "database/creds/passing", leads_to)
        rows(owner, mapping.format("erp"))
        assert "names another secret" in str(refused(owner, "CALL omnisql.check_source('erp')"))
        rows(owner, "ALTER USER MAPPING FOR PUBLIC SERVER erp OPTIONS (SET user 'kv:live#username')")
        rows(owner, "CREATE SCHEMA s")
        rows(owner, "IMPORT FOREIGN SCHEMA sales FROM SERVER erp INTO s")
        ((first,),) = rows(owner, "SELECT name FROM s.who")
        # Its role ends after three seconds, unless it is renewed.
        begun_s = time.monotonic()
        until(lambda: rows(owner, "SELECT name FROM s.who") == [(first,)] and time.monotonic() > begun_s + 5, 30.0)
        kept = rows(owner, "SELECT umoptions::text FROM pg_user_mappings WHERE srvname = 'erp'")
        assert first not in kept[0][0]
        for each in leases_of(engine, "passing"):
            engine.admin.sys.revoke_lease(lease_id=each["id"])
        until(lambda: _name(owner) not in (None, first), 30.0)


def _name(session: psycopg.Connection) -> str | None:
    try:
        ((name,),) = rows(session, "SELECT name FROM s.who WHERE EXISTS (SELECT FROM s.orders WHERE id = 3)")
    except psycopg.Error:
        return None
    return str(name)
