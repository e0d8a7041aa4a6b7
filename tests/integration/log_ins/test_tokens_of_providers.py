"""Tokens of an identity provider in place of a password, over the wire with real clients."""

from __future__ import annotations

import asyncio
import os
import ssl
import subprocess
import time
from typing import Any

import asyncpg
import jwt
import psycopg
import pytest
from installed_programs import require_program
from issuer import new_key
from log_in_world import BY_TOKEN, TENANT, LogInWorld
from served import until

REFUSED = 'password authentication failed for user "ana"'


def test_a_token_opens_a_session_of_its_user(world: LogInWorld) -> None:
    with world.by_token(world.issuer.token()) as session:
        assert session.execute("SELECT session_user, current_user").fetchone() == ("ana", "ana")
    assert [each["method"] for each in world.served.events() if each["event"] == "session_opened"][-1] == "jwt"


def test_asyncpg_sends_a_token(world: LogInWorld) -> None:
    token = world.issuer.token()
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE

    async def ask() -> Any:
        connection = await asyncpg.connect(
            host="127.0.0.1",
            port=world.served.port,
            user="ana",
            database=TENANT,
            password=token,
            ssl=context,
            server_settings={"omnisql.log_in": "token"},
        )
        try:
            return await connection.fetchval("SELECT session_user::text")
        finally:
            await connection.close()

    assert asyncio.run(ask()) == "ana"


@pytest.mark.clients
def test_psql_sends_a_token(world: LogInWorld) -> None:
    require_program("psql")
    dsn = f"host=127.0.0.1 port={world.served.port} user=ana dbname={TENANT} sslmode=require"
    environment = {**os.environ, "PGPASSWORD": world.issuer.token(), "PGOPTIONS": BY_TOKEN}
    command = ["psql", "-XAtc", "SELECT session_user", dsn]
    assert subprocess.check_output(command, env=environment, text=True, timeout=30) == "ana\n"


@pytest.mark.parametrize("algorithm", ["ES256", "EdDSA"])
def test_other_kinds_of_keys_count(world: LogInWorld, algorithm: str) -> None:
    world.by_token(world.issuer.token(key_id=algorithm)).close()


def test_claims_give_role_groups_and_attributes(world: LogInWorld) -> None:
    told = world.issuer.token("eve", groups=["finance", "engineers"], address={"region": "eu"})
    with world.by_token(told, "eve") as session:
        assert session.execute("SELECT session_user").fetchone() == ("analysts",)
        session.execute("SELECT * FROM omnisql.sources")
        session.execute("SELECT * FROM omnisql.tables")
    with world.by_token(world.issuer.token("eve", groups=["finance"]), "analysts") as session:
        for table, policy in (("sources", "sources-of-engineers"), ("tables", "tables-of-the-eu")):
            with pytest.raises(psycopg.errors.InsufficientPrivilege, match=policy):
                session.execute(f"SELECT * FROM omnisql.{table}".encode())


def test_roles_of_postgresql_are_groups_of_policies(world: LogInWorld) -> None:
    with world.served.connect(TENANT, "bob") as session:
        session.execute("SELECT * FROM omnisql.sources")
    with world.served.connect(TENANT) as admin:
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="sources-of-engineers"):
            admin.execute("SELECT * FROM omnisql.sources")
        admin.execute("REVOKE engineers FROM bob")
        with (
            world.served.connect(TENANT, "bob") as session,
            pytest.raises(psycopg.errors.InsufficientPrivilege, match="sources-of-engineers"),
        ):
            session.execute("SELECT * FROM omnisql.sources")
        admin.execute("GRANT engineers TO bob")


def forged(world: LogInWorld) -> dict[str, str]:
    """Make tokens that must open nothing, by the reason that the log gives."""
    issuer, now_s = world.issuer, int(time.time())
    _, key = issuer.keys["first"]
    claims = {"iss": issuer.url, "aud": "omnisql", "exp": now_s + 60, "preferred_username": "ana"}
    good = issuer.token()
    return {
        "the token has expired": issuer.token(exp=now_s - 60),
        "the token is not valid yet": issuer.token(nbf=now_s + 60),
        "the token is for another audience": issuer.token(aud="another"),
        "the token is of another issuer": issuer.token(iss="https://elsewhere.test"),
        "the token lacks a claim it must have": issuer.token(exp=None),
        "the token is of another user": issuer.token("bob"),
        "the signature is wrong": jwt.encode(claims, new_key("RS256"), algorithm="RS256", headers={"kid": "first"}),
        "the provider has no such key": jwt.encode(claims, key, algorithm="RS256", headers={"kid": "unknown"}),
        "the token's algorithm is not allowed": jwt.encode(claims, "", algorithm="none"),
        "it is no signed token": good.rpartition(".")[0],
    }


def test_nothing_else_opens_anything_and_all_is_refused_alike(world: LogInWorld) -> None:
    for reason, token in forged(world).items():
        assert world.refusal(token) == REFUSED
        assert world.reasons()[-1] == reason
        # Who guesses is kept out after some failures; one who knows is not to be here.
        world.by_token(world.issuer.token()).close()


def test_a_key_is_not_a_shared_secret(world: LogInWorld) -> None:
    claims = {"iss": world.issuer.url, "aud": "omnisql", "exp": int(time.time()) + 60, "preferred_username": "ana"}
    token = jwt.encode(claims, "x" * 32, algorithm="HS256", headers={"kid": "first"})
    assert world.refusal(token) == REFUSED
    assert world.reasons()[-1] == "the token's algorithm is not allowed"
    world.by_token(world.issuer.token()).close()


def test_nobody_becomes_the_owner_by_a_name(world: LogInWorld) -> None:
    token = world.issuer.token("admin")
    assert world.refusal(token, "admin") == REFUSED.replace("ana", "admin")
    assert world.reasons()[-1] == "the owner's role is given by rule alone"
    world.set_rules(world.rules(roles=[{"role": "admin", "when": {"preferred_username": "admin"}}]))
    with world.by_token(token, "admin") as session:
        assert session.execute("SELECT session_user").fetchone() == ("admin",)


def test_a_role_must_be_there_and_may_log_in(world: LogInWorld) -> None:
    for user in ("nobody", "engineers"):
        assert world.refusal(world.issuer.token(user), user) == REFUSED.replace("ana", user)
        assert world.reasons()[-1] == "the role does not exist, has expired or may not log in"


def test_a_token_is_not_asked_for_without_tls(world: LogInWorld) -> None:
    answer = world.refusal(world.issuer.token(), sslmode="disable")
    assert answer.startswith("a token is accepted over TLS only")
    unknown = world.refusal(world.issuer.token(), user="nobody", sslmode="disable")
    assert unknown == answer


def test_strangers_are_asked_the_same(world: LogInWorld) -> None:
    token = world.issuer.token("nobody")
    known = world.refusal("wrong", "ana")
    assert world.refusal(token, "nobody") == known.replace("ana", "nobody")
    with pytest.raises(psycopg.OperationalError, match=known):
        world.served.connect("nowhere", "ana", token, sslmode="require", options=BY_TOKEN)
    world.by_token(world.issuer.token()).close()


def test_rules_say_who_is_asked_for_a_token(world: LogInWorld) -> None:
    world.set_rules({**world.rules(), "ask": [{"users": "svc_*", "for": "token"}]})
    with world.by_token(world.issuer.token("svc_reports"), "svc_reports", options="") as session:
        assert session.execute("SELECT session_user").fetchone() == ("svc_reports",)
    world.served.connect(TENANT, "ana").close()


def test_a_password_is_no_token_and_a_token_no_password(world: LogInWorld) -> None:
    assert world.refusal("correct horse") == REFUSED
    assert REFUSED in str(world.served.refusal(TENANT, "ana", world.issuer.token()))
    world.by_token(world.issuer.token()).close()


def test_a_new_key_counts_at_once(world: LogInWorld) -> None:
    world.by_token(world.issuer.token()).close()
    world.issuer.add_key("renewed", "RS256")
    asked = len(world.issuer.asked)
    token = world.issuer.token(key_id="renewed")
    until(lambda: world.opens(token), pause_s=0.2)
    assert len(world.issuer.asked) > asked


def test_keys_that_are_known_count_while_the_provider_is_away(world: LogInWorld) -> None:
    world.by_token(world.issuer.token()).close()
    world.issuer.status = 503
    try:
        world.by_token(world.issuer.token()).close()
        world.issuer.add_key("unseen", "RS256")
        assert world.refusal(world.issuer.token(key_id="unseen")) == REFUSED
    finally:
        world.issuer.status = 200
    token = world.issuer.token(key_id="unseen")
    until(lambda: world.opens(token), pause_s=0.2)
