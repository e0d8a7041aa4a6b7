"""What a credential is bound to, and what renaming leaves alone."""

from __future__ import annotations

from collections.abc import Callable

import psycopg
import pytest
from demo_server import DemoServer
from source_world import CONTROL, GOOD_TOKEN, CountingServer, Said, options_of, refusal, superuser, value

COUNT = "SELECT count(title) FROM s.issues WHERE owner = 'acme' AND repo = 'web'"


def change(session: psycopg.Connection, sql: str) -> None:
    """Run a statement with a value of ours in it."""
    session.execute(sql.encode())


def test_a_credential_is_not_sent_to_another_address(
    owner: psycopg.Connection, source: str, elsewhere: CountingServer, notices: list[Said]
) -> None:
    assert value(owner, COUNT) > 0
    change(owner, f"ALTER SERVER gh OPTIONS (SET base_url '{elsewhere.base_url}')")
    (warning,) = notices
    assert (warning.severity, warning.sqlstate) == ("WARNING", "01000")
    assert warning.message == 'credentials of server "gh" do not follow it to another address'
    for sql in (COUNT, "CALL omnisql.check_source('gh')", "IMPORT FOREIGN SCHEMA github FROM SERVER gh INTO s"):
        refused = refusal(owner, sql)
        assert (refused.sqlstate, refused.message_primary) == (
            "28000",
            "the credential was given for another address",
        )
    assert elsewhere.seen == []
    change(owner, "ALTER USER MAPPING FOR admin SERVER gh OPTIONS (SET token 'ghp_for_elsewhere')")
    assert value(owner, COUNT) == 0
    assert elsewhere.seen
    assert all("Bearer ghp_for_elsewhere" in request for request in elsewhere.seen)


def test_an_address_changed_in_a_transaction_counts_at_once(
    owner: psycopg.Connection, source: str, elsewhere: CountingServer
) -> None:
    change(owner, "BEGIN")
    change(owner, f"ALTER SERVER gh OPTIONS (SET base_url '{elsewhere.base_url}')")
    assert refusal(owner, COUNT).sqlstate == "28000"
    change(owner, "ROLLBACK")
    assert elsewhere.seen == []
    assert value(owner, COUNT) > 0


def test_another_path_at_the_same_address_keeps_the_credential(
    demo: DemoServer, owner: psycopg.Connection, source: str, notices: list[Said]
) -> None:
    change(owner, f"ALTER SERVER gh OPTIONS (SET base_url '{demo.github.base_url}/')")
    assert value(owner, COUNT) > 0
    assert notices == []


def copy_of_gh(demo: DemoServer, owner: psycopg.Connection) -> str:
    """Make a second server for the same address, with tables in a schema of its own; return gh's handle."""
    change(owner, f"CREATE SERVER other FOREIGN DATA WRAPPER github OPTIONS (base_url '{demo.github.base_url}')")
    return options_of(owner, "gh")["token"]


def test_a_handle_of_another_server_is_refused(demo: DemoServer, owner: psycopg.Connection, source: str) -> None:
    handle = copy_of_gh(demo, owner)
    for sql in (
        f"CREATE USER MAPPING FOR admin SERVER other OPTIONS (token '{handle}')",
        f"CREATE USER MAPPING FOR PUBLIC SERVER gh OPTIONS (token '{handle}')",
        f"CREATE USER MAPPING FOR eve SERVER gh OPTIONS (token '{handle}')",
    ):
        refused = refusal(owner, sql)
        assert (refused.sqlstate, refused.message_primary) == (
            "28000",
            "the credential was given for another server or role",
        )
    change(owner, f"ALTER USER MAPPING FOR admin SERVER gh OPTIONS (SET token '{handle}')")
    assert value(owner, COUNT) > 0


@pytest.mark.parametrize(
    ("mapping", "user"),
    [("FOR admin SERVER other", "admin"), ("FOR eve SERVER gh", "eve"), ("FOR PUBLIC SERVER gh", "eve")],
)
def test_a_handle_copied_behind_our_back_opens_nothing(
    demo: DemoServer,
    connect: Callable[..., psycopg.Connection],
    owner: psycopg.Connection,
    source: str,
    mapping: str,
    user: str,
) -> None:
    handle = copy_of_gh(demo, owner)
    change(owner, f"DO $$ BEGIN CREATE USER MAPPING {mapping} OPTIONS (token '{handle}'); END $$")
    change(owner, "GRANT USAGE ON FOREIGN SERVER gh, other TO eve")
    server = mapping.rpartition(" ")[2]
    session = owner if user == "admin" else connect(user)
    demo.github.reset()
    assert refusal(session, f"CALL omnisql.check_source('{server}')").sqlstate == "28000"
    assert demo.github.requests() == []


def test_a_handle_that_was_made_up_is_refused(owner: psycopg.Connection, server: str) -> None:
    for handle in ("secret:0b0e0c3a-58c4-4b0e-9a53-0d4f4c3f9a11", "secret:mine"):
        refused = refusal(owner, f"CREATE USER MAPPING FOR admin SERVER gh OPTIONS (token '{handle}')")
        assert refused.sqlstate == "28000"


def test_renaming_keeps_credentials(owner: psycopg.Connection, source: str) -> None:
    before = value(owner, COUNT)
    for sql in (
        "ALTER SERVER gh RENAME TO hub",
        "ALTER FOREIGN TABLE s.issues RENAME TO tickets",
        "ALTER FOREIGN TABLE s.tickets RENAME COLUMN repo TO repository",
        "ALTER SCHEMA s RENAME TO renamed",
    ):
        change(owner, sql)
    renamed = "SELECT count(*) FROM renamed.tickets WHERE owner = 'acme' AND repository = 'web'"
    try:
        assert value(owner, renamed) == before
        change(owner, "CALL omnisql.check_source('hub')")
    finally:
        change(owner, "ALTER SCHEMA renamed RENAME TO s")


def test_a_role_keeps_its_credential_under_another_name(
    demo: DemoServer, connect: Callable[..., psycopg.Connection], owner: psycopg.Connection, source: str
) -> None:
    change(owner, "GRANT USAGE ON FOREIGN SERVER gh TO ana")
    ana = connect("ana")
    change(ana, f"CREATE USER MAPPING FOR ana SERVER gh OPTIONS (token '{GOOD_TOKEN}')")
    ana.close()
    copy = "SELECT tenant, 'anna', verifier, attributes, roles FROM control.principals WHERE name = 'ana'"
    with superuser(demo) as tenant, superuser(demo, CONTROL) as control:
        control.execute(f"INSERT INTO control.principals {copy}".encode())
        tenant.execute("ALTER ROLE ana RENAME TO anna")
        try:
            change(connect("anna"), "CALL omnisql.check_source('gh')")
        finally:
            tenant.execute("ALTER ROLE anna RENAME TO ana")
            control.execute("DELETE FROM control.principals WHERE name = 'anna'")


def test_a_server_made_anew_needs_its_credential_again(
    demo: DemoServer, owner: psycopg.Connection, source: str
) -> None:
    handle = options_of(owner, "gh")["token"]
    change(owner, "DROP SERVER gh CASCADE")
    change(owner, f"CREATE SERVER gh FOREIGN DATA WRAPPER github OPTIONS (base_url '{demo.github.base_url}')")
    assert refusal(owner, "CALL omnisql.check_source('gh')").sqlstate == "28000"
    again = f"CREATE USER MAPPING FOR admin SERVER gh OPTIONS (token '{handle}')"
    assert refusal(owner, again).sqlstate == "28000"
    change(owner, again.replace(handle, GOOD_TOKEN))
    change(owner, "CALL omnisql.check_source('gh')")


def test_a_users_own_credential_wins_over_everybodys(
    demo: DemoServer, owner: psycopg.Connection, eve: psycopg.Connection, source: str
) -> None:
    change(owner, f"CREATE USER MAPPING FOR PUBLIC SERVER gh OPTIONS (token '{GOOD_TOKEN}')")
    change(owner, "GRANT USAGE ON SCHEMA s TO eve")
    change(owner, "GRANT SELECT ON s.issues TO eve")
    assert value(eve, COUNT) > 0
    mine = "CREATE USER MAPPING FOR eve SERVER gh OPTIONS (token 'ghp_eve')"
    assert refusal(eve, mine).sqlstate == "42501"
    change(owner, "GRANT USAGE ON FOREIGN SERVER gh TO eve")
    change(eve, mine)
    rejected = refusal(eve, COUNT)
    assert (rejected.sqlstate, (rejected.message_primary or "").split(":")[0]) == ("28000", "CREDENTIALS_REJECTED")
    assert value(owner, COUNT) > 0
    change(eve, "DROP USER MAPPING FOR eve SERVER gh")
    assert value(eve, COUNT) > 0


def test_a_user_without_a_credential_is_told_how_to_give_one(
    owner: psycopg.Connection, eve: psycopg.Connection, source: str
) -> None:
    change(owner, "GRANT USAGE ON SCHEMA s TO eve")
    change(owner, "GRANT SELECT ON s.issues TO eve")
    missing = refusal(eve, COUNT)
    assert (missing.sqlstate, missing.message_primary) == ("28000", 'there is no credential for server "gh"')
    assert missing.message_hint == "CREATE USER MAPPING FOR CURRENT_USER SERVER gh OPTIONS (token '...')"
    change(owner, "ALTER USER MAPPING FOR admin SERVER gh OPTIONS (DROP token)")
    assert refusal(owner, COUNT).message_hint == (
        "ALTER USER MAPPING FOR CURRENT_USER SERVER gh OPTIONS (ADD token '...')"
    )
