"""Tokens shown by HTTP: let in, bounded, kept out and on record as by the wire."""

from __future__ import annotations

from typing import Any

from beside_control import with_control
from http_caller import HttpCaller
from log_in_world import TENANT, LogInWorld
from served import until

from catalog.api_tokens import new_token, token_digest, token_id
from catalog.audit import records_of
from catalog.connection import OwnConnection
from catalog.control import tenant_named
from omnisql_server.audit.record import Record, decoded
from omnisql_server.session.lockout import USER_AT_ADDRESS

WHO = "SELECT session_user"


def caller(world: LogInWorld, token: str | None, user: str = "ana", tenant: str = TENANT) -> HttpCaller:
    """Return who asks with a token."""
    (port,) = [event["port"] for event in world.served.events() if event["event"] == "http_ready"]
    certificate = world.served.data / "tls" / "server.crt"
    return HttpCaller(port=port, certificate=certificate, token=token, user=user, tenant=tenant)


def made(world: LogInWorld, user: str = "ana", **scope: Any) -> str:
    """Make an API token."""
    token = new_token()
    given = {"token": token_id(token), "digest": token_digest(token).hex(), "description": "by HTTP", "days": 1}
    world.served.administer("create_token", name=TENANT, user=user, **given, **scope)
    return token


def refusal(user: str) -> tuple[int, str, str]:
    """Return what everybody is told who is not let in."""
    return 401, "28P01", f'password authentication failed for user "{user}"'


def test_a_token_of_either_kind_lets_its_user_in(world: LogInWorld) -> None:
    assert caller(world, made(world)).ask(WHO).body["rows"] == [["ana"]]
    token = world.issuer.token("eve", groups=["data"])
    assert caller(world, token, "eve").ask(WHO).body["rows"] == [["analysts"]]


def test_what_opens_nothing_is_refused_in_the_same_words(world: LogInWorld) -> None:
    token = made(world)
    assert caller(world, token, "bob").ask(WHO).error == refusal("bob")
    assert caller(world, token, tenant="nowhere").ask(WHO).error == refusal("ana")
    answer = caller(world, "no token", "stranger").ask(WHO)
    assert answer.error == refusal("stranger")
    assert answer.headers["WWW-Authenticate"] == "Bearer"


def test_a_token_for_reading_writes_nothing_whatever_is_asked_for(world: LogInWorld) -> None:
    reading = caller(world, made(world, read_only=True))
    settings = {"default_transaction_read_only": "off"}
    answer = reading.ask("CREATE TABLE public.by_http (id int)", settings=settings)
    assert answer.error[:2] == (400, "25006")


def test_who_guesses_is_kept_out_even_with_what_is_right(world: LogInWorld) -> None:
    token = made(world, "guessed")
    assert caller(world, token, "guessed").ask(WHO).status == 200
    wrong = caller(world, new_token(), "guessed")
    for _ in range(USER_AT_ADDRESS.free + 3):
        assert wrong.ask(WHO).error == refusal("guessed")
    assert caller(world, token, "guessed").ask(WHO).error == refusal("guessed")
    # By the other way in, too.
    assert world.refusal(token, "guessed") == refusal("guessed")[2]


def test_log_ins_and_statements_are_on_record_with_the_address_of_the_caller(world: LogInWorld) -> None:
    async def read(connection: OwnConnection) -> list[Record]:
        chain = (await tenant_named(connection, TENANT)).id
        return [decoded(each.record) async for each in records_of(connection, chain, 0)]

    before = len(with_control(world.served.data, read))
    assert caller(world, made(world, "bob"), "bob").ask("SELECT count(*) FROM omnisql.sources").status == 200

    def told() -> set[tuple[str, str, str, str]]:
        found = with_control(world.served.data, read)[before:]
        return {(each.kind.lower(), each.principal, each.client, each.outcome) for each in found}

    until(lambda: {("log-in", "bob", "127.0.0.1", "00000"), ("select", "bob", "127.0.0.1", "00000")} <= told())
