"""Roles and passwords are PostgreSQL's: what SQL does to a role, a log-in meets at once."""

from __future__ import annotations

import zlib
from collections.abc import Iterator

import psycopg
import pytest
from psycopg import sql
from served import PASSWORD, Served

from wire.auth import make_verifier

ACME = "acme"


@pytest.fixture
def role(admin: psycopg.Connection, request: pytest.FixtureRequest) -> Iterator[str]:
    """Name a role that is dropped after the test."""
    name = f"r_{zlib.crc32(request.node.name.encode())}"
    yield name
    for each in (name, f"{name}_new"):
        admin.execute(sql.SQL("DROP ROLE IF EXISTS {}").format(sql.Identifier(each)))


def _logs_in(served: Served, role: str, password: str) -> bool:
    try:
        with served.connect(ACME, role, password) as session:
            (user,) = session.execute("SELECT session_user::text").fetchone() or ("",)
            return bool(user == role)
    except psycopg.OperationalError as error:
        if "password authentication failed" not in str(error):
            raise
        return False


def test_a_role_made_with_a_password_logs_in_at_once_and_with_no_other_password(
    served: Served, admin: psycopg.Connection, role: str
) -> None:
    assert not _logs_in(served, role, "first")
    admin.execute(f"CREATE ROLE {role} LOGIN PASSWORD 'first'")
    assert _logs_in(served, role, "first")
    assert not _logs_in(served, role, "second")


def test_a_changed_password_counts_and_the_old_one_does_not(
    served: Served, admin: psycopg.Connection, role: str
) -> None:
    admin.execute(f"CREATE ROLE {role} LOGIN PASSWORD 'first'")
    with served.connect(ACME, role, "first") as own:
        own.execute(f"ALTER ROLE {role} PASSWORD 'second'")
    assert _logs_in(served, role, "second")
    assert not _logs_in(served, role, "first")


@pytest.mark.parametrize(
    "change",
    [
        "ALTER ROLE {role} PASSWORD NULL",
        "ALTER ROLE {role} NOLOGIN",
        "ALTER ROLE {role} VALID UNTIL '2020-01-01'",
        "DROP ROLE {role}",
        "ALTER ROLE {role} RENAME TO {role}_new",
    ],
)
def test_what_closes_a_role_closes_the_log_in(
    served: Served, admin: psycopg.Connection, role: str, change: str
) -> None:
    admin.execute(f"CREATE ROLE {role} LOGIN PASSWORD 'first'")
    assert _logs_in(served, role, "first")
    admin.execute(change.format(role=role).encode())
    assert not _logs_in(served, role, "first")


def test_a_renamed_role_keeps_its_password(served: Served, admin: psycopg.Connection, role: str) -> None:
    admin.execute(f"CREATE ROLE {role} LOGIN PASSWORD 'first'")
    admin.execute(f"ALTER ROLE {role} RENAME TO {role}_new")
    assert _logs_in(served, f"{role}_new", "first")


def test_a_password_counts_once_its_transaction_is_committed(
    served: Served, admin: psycopg.Connection, role: str
) -> None:
    with admin.transaction():
        admin.execute(f"CREATE ROLE {role} LOGIN PASSWORD 'first'")
        assert not _logs_in(served, role, "first")
    assert _logs_in(served, role, "first")


def test_a_password_that_is_rolled_back_never_counts(served: Served, admin: psycopg.Connection, role: str) -> None:
    admin.execute(f"CREATE ROLE {role} LOGIN PASSWORD 'first'")
    admin.execute("BEGIN")
    admin.execute(f"ALTER ROLE {role} PASSWORD 'kept'")
    admin.execute("SAVEPOINT s")
    admin.execute(f"ALTER ROLE {role} PASSWORD 'undone'")
    admin.execute("ROLLBACK TO s")
    admin.execute("COMMIT")
    assert _logs_in(served, role, "kept")
    assert not _logs_in(served, role, "undone")


def test_a_role_made_inside_a_do_block_logs_in(served: Served, admin: psycopg.Connection, role: str) -> None:
    admin.execute(f"DO $$ BEGIN EXECUTE 'CREATE ROLE {role} LOGIN PASSWORD ''first'''; END $$")
    assert _logs_in(served, role, "first")


def test_a_role_made_by_a_session_that_left_at_once_logs_in(served: Served, role: str) -> None:
    with served.connect(ACME) as session:
        session.execute(f"CREATE ROLE {role} LOGIN PASSWORD 'first'")
    assert _logs_in(served, role, "first")
    with served.connect(ACME) as session:
        session.execute(f"DROP ROLE {role}")
    assert not _logs_in(served, role, "first")


def test_the_owner_grants_alters_and_drops_users_that_administration_made(
    served: Served, admin: psycopg.Connection
) -> None:
    served.administer(
        "add_user", name=ACME, user="carl", verifier=make_verifier("first"), attributes={"teams": ["web"]}
    )
    admin.execute("CREATE ROLE readers; GRANT readers TO carl")
    admin.execute("ALTER ROLE carl PASSWORD 'second'")
    assert _logs_in(served, "carl", "second")
    admin.execute("DROP ROLE carl; DROP ROLE readers")
    assert not _logs_in(served, "carl", "second")
    (state,) = served.administer("show", name=ACME)
    assert [user.name for user in state.users] == ["admin", "ana"]


def test_a_new_role_of_a_dropped_role_s_name_has_none_of_its_attributes(
    served: Served, admin: psycopg.Connection
) -> None:
    served.administer(
        "add_user", name=ACME, user="carl", verifier=make_verifier("first"), attributes={"teams": ["web"]}
    )
    (state,) = served.administer("show", name=ACME)
    assert {user.name: user.attributes for user in state.users}["carl"] == {"teams": ["web"]}
    # At once, so that nobody sees a time without a role of that name.
    admin.execute("BEGIN; DROP ROLE carl; CREATE ROLE carl LOGIN PASSWORD 'first'; COMMIT")
    assert _logs_in(served, "carl", "first")
    (state,) = served.administer("show", name=ACME)
    assert {user.name: user.attributes for user in state.users}["carl"] == {}
    admin.execute("DROP ROLE carl")


def test_attributes_follow_a_role_to_another_name(served: Served, admin: psycopg.Connection) -> None:
    verifier = make_verifier("first")
    for user, team in (("carl", "web"), ("dora", "ops")):
        served.administer("add_user", name=ACME, user=user, verifier=verifier, attributes={"teams": [team]})
    # An exchange of names, in one transaction.
    admin.execute("ALTER ROLE carl RENAME TO x; ALTER ROLE dora RENAME TO carl; ALTER ROLE x RENAME TO dora")
    assert _logs_in(served, "carl", "first")
    (state,) = served.administer("show", name=ACME)
    attributes = {user.name: user.attributes for user in state.users}
    assert (attributes["dora"], attributes["carl"]) == ({"teams": ["web"]}, {"teams": ["ops"]})
    admin.execute("DROP ROLE carl; DROP ROLE dora")


def test_an_administrator_s_new_password_counts(served: Served) -> None:
    served.administer("set_password", name=ACME, user="ana", verifier=make_verifier("another"))
    assert _logs_in(served, "ana", "another")
    served.administer("set_password", name=ACME, user="ana", verifier=make_verifier(PASSWORD))
    assert not _logs_in(served, "ana", "another")
    assert _logs_in(served, "ana", PASSWORD)


def test_a_password_of_the_old_kind_opens_nothing(served: Served, admin: psycopg.Connection, role: str) -> None:
    admin.execute("SET password_encryption = 'md5'")
    admin.execute(f"CREATE ROLE {role} LOGIN PASSWORD 'first'")
    admin.execute("RESET password_encryption")
    assert not _logs_in(served, role, "first")


@pytest.mark.parametrize("change", ["ALTER ROLE {superuser} PASSWORD 'x'", "DROP ROLE {control}", "SET ROLE {control}"])
def test_the_roles_of_omnisql_are_out_of_the_owner_s_reach(admin: psycopg.Connection, change: str) -> None:
    rows = admin.execute("SELECT rolname, rolsuper FROM pg_roles WHERE rolname LIKE 'omnisql%'").fetchall()
    names = {"superuser" if is_super else "control": name for name, is_super in rows}
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        admin.execute(change.format(**names).encode())
