"""Client certificates: of the tenant's own authority, for the user that they name."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import psycopg
import pytest
from authority import OURS, THEIRS, Authority, write_revocations
from cryptography import x509
from log_in_world import TENANT, LogInWorld
from served import PASSWORD, until

from omnisql_server.admin.channel import AdminError

BY_NAME = {"authorities": OURS.pem, "users": [{"from": "common_name", "pattern": "(.+)"}]}
WRONG = "x"
PAUSE_S = 0.5
"""A hundred failures from an address close it for a while."""


def opens(world: LogInWorld, shown: dict[str, str], user: str = "ana", tenant: str = TENANT, **options: Any) -> str:
    """Log in and return the session's user; empty where the log-in fails as by a wrong password."""
    try:
        with world.served.connect(tenant, user, **{"password": WRONG, **shown, **options}) as session:
            return str((session.execute("SELECT session_user").fetchone() or [""])[0])
    except psycopg.OperationalError as error:
        return "" if "password authentication failed" in str(error) else str(error)


def trusting(world: LogInWorld, rules: dict[str, Any], folder: Path) -> None:
    """Set rules once TLS takes what their authority issued."""
    world.set_rules({"certificates": BY_NAME})
    (folder / "first").mkdir()
    shown = OURS.issue(folder / "first", "ana")
    until(lambda: opens(world, shown) == "ana", limit_s=20, pause_s=PAUSE_S)
    world.set_rules({"certificates": rules})


def test_a_certificate_opens_a_session_of_the_user_it_names(world: LogInWorld, tmp_path: Path) -> None:
    shown = OURS.issue(tmp_path, "ana")
    trusting(world, BY_NAME, tmp_path)
    assert opens(world, shown) == "ana"
    assert [each["method"] for each in world.served.events() if each["event"] == "session_opened"][-1] == "certificate"
    assert opens(world, shown, "bob") == ""
    assert opens(world, shown, "bob", password=PASSWORD) == "bob"
    # Who asks to show something else is asked for it.
    assert opens(world, shown, options="-c omnisql.log_in=password") == ""
    assert opens(world, {"sslmode": "disable"}) == ""


def test_only_the_tenants_own_authority_counts(world: LogInWorld, tmp_path: Path) -> None:
    theirs = THEIRS.issue(tmp_path, "ana")
    world.served.create_tenant("beta", "ana")
    world.served.administer(
        "set_log_in_rules", name="beta", rules={"certificates": {**BY_NAME, "authorities": THEIRS.pem}}
    )
    trusting(world, BY_NAME, tmp_path)
    until(lambda: opens(world, theirs, tenant="beta") == "ana", limit_s=20, pause_s=PAUSE_S)
    # TLS takes it, because it does not know the tenant.
    assert opens(world, theirs) == ""
    world.served.administer("destroy", name="beta", confirm="beta")


def test_one_that_nobody_trusts_or_that_has_expired_ends_in_tls(world: LogInWorld, tmp_path: Path) -> None:
    trusting(world, BY_NAME, tmp_path)
    for shown in (Authority("a stranger's").issue(tmp_path, "ana"), OURS.issue(tmp_path, "bob", days=-1)):
        ended = opens(world, shown)
        assert "SSL" in ended or "closed the connection" in ended


def test_a_certificate_that_was_revoked_opens_nothing_once_the_list_is_read_again(
    world: LogInWorld, tmp_path: Path
) -> None:
    trusting(world, BY_NAME, tmp_path)
    lost, kept = OURS.issue(tmp_path, "ana"), OURS.issue(tmp_path, "bob")
    assert (opens(world, lost), opens(world, kept, "bob")) == ("ana", "bob")
    OURS.revoke(lost)
    write_revocations(world.served.directory)
    world.served.process.send_signal(signal.SIGHUP)
    until(lambda: opens(world, lost) != "ana", limit_s=20, pause_s=PAUSE_S)
    ended = opens(world, lost)
    assert "SSL" in ended or "closed the connection" in ended
    assert opens(world, kept, "bob") == "bob"
    # A list that cannot be read changes nothing.
    (world.served.directory / "revoked.pem").write_text("no list", encoding="ascii")
    world.served.process.send_signal(signal.SIGHUP)
    until(lambda: "configuration_not_reloaded" in [each["event"] for each in world.served.events()], limit_s=20)
    assert (opens(world, lost) == "ana", opens(world, kept, "bob")) == (False, "bob")
    write_revocations(world.served.directory)


@pytest.mark.parametrize(
    ("source", "pattern", "user", "other"),
    [
        ("email", r"(.+)@acme\.test", r"\1", x509.RFC822Name("ana@acme.test")),
        ("dns", r"([a-z]+)\.users\.acme\.test", r"\1", x509.DNSName("ana.users.acme.test")),
        ("uri", r"spiffe://acme\.test/reports", "ana", x509.UniformResourceIdentifier("spiffe://acme.test/reports")),
    ],
)
def test_other_names_are_mapped(
    world: LogInWorld, tmp_path: Path, source: str, pattern: str, user: str, other: x509.GeneralName
) -> None:
    shown = OURS.issue(tmp_path, "somebody", other)
    trusting(world, {**BY_NAME, "users": [{"from": source, "pattern": pattern, "user": user}]}, tmp_path)
    assert opens(world, shown) == "ana"
    assert opens(world, shown, "somebody") == ""


def test_nobody_becomes_the_owner_by_a_name_in_a_certificate(world: LogInWorld, tmp_path: Path) -> None:
    shown = OURS.issue(tmp_path, "admin")
    trusting(world, BY_NAME, tmp_path)
    assert opens(world, shown, "admin") == ""
    world.set_rules(
        {"certificates": {**BY_NAME, "users": [{"from": "common_name", "pattern": "admin", "user": "admin"}]}}
    )
    assert opens(world, shown, "admin") == "admin"


def test_a_second_factor_is_wanted_beside_the_password(world: LogInWorld, tmp_path: Path) -> None:
    shown = OURS.issue(tmp_path, "ana")
    trusting(world, {**BY_NAME, "second_factor": True}, tmp_path)
    assert opens(world, shown) == ""
    assert opens(world, shown, password=PASSWORD) == "ana"
    assert opens(world, {"sslmode": "require"}, password=PASSWORD) == ""
    assert opens(world, OURS.issue(tmp_path, "bob"), password=PASSWORD) == ""
    assert opens(world, OURS.issue(tmp_path, "admin"), "admin", password=PASSWORD) == "admin"


def test_rules_that_cannot_be_are_refused(world: LogInWorld) -> None:
    for rules, words in (
        ({**BY_NAME, "authorities": "none"}, "PEM form"),
        ({**BY_NAME, "users": []}, "how a certificate names its user"),
        ({**BY_NAME, "users": [{"from": "serial"}]}, "from must be one of"),
        ({**BY_NAME, "users": [{"from": "dns", "pattern": "("}]}, "regular expression"),
        ({**BY_NAME, "users": [{"from": "dns", "pattern": ".+"}]}, "a group that the pattern has not"),
    ):
        with pytest.raises(AdminError, match=words):
            world.set_rules({"certificates": rules})
