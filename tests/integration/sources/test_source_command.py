"""`omnisql source`: what it makes and removes, and that secrets are neither arguments nor shown."""

from __future__ import annotations

import os
import pty
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
from demo_server import DATABASE, PASSWORD, DemoServer
from source_world import GOOD_TOKEN, superuser, value

PROGRAM = str(Path(sys.executable).with_name("omnisql"))
TIMEOUT_S = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """What a command said."""

    code: int
    out: str
    err: str


def environment(demo: DemoServer, user: str = "admin") -> dict[str, str]:
    """Return the environment that the command connects by."""
    dsn = f"postgresql://{user}:{PASSWORD}@127.0.0.1:{demo.port}/{DATABASE}"
    return {**os.environ, "OMNISQL_DSN": dsn, "COLUMNS": "200"}


def ran(demo: DemoServer, *arguments: str, given: str = "", user: str = "admin") -> Ran:
    """Run `omnisql source` with lines on stdin."""
    done = subprocess.run(
        [PROGRAM, "source", *arguments],
        input=given,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        env=environment(demo, user),
        check=False,
    )
    return Ran(code=done.returncode, out=done.stdout, err=done.stderr)


def add(demo: DemoServer, *arguments: str, given: str = GOOD_TOKEN + "\n", user: str = "admin") -> Ran:
    """Add the source `hub`, which leads to the simulator."""
    address = f"base_url={demo.github.base_url}"
    return ran(demo, "add", "hub", "--connector", "github", "--option", address, *arguments, given=given, user=user)


@pytest.fixture(autouse=True)
def _schemas(demo: DemoServer, owner: psycopg.Connection) -> Iterator[None]:
    yield
    with superuser(demo) as connection:
        connection.execute("DROP SCHEMA IF EXISTS hub CASCADE")


def test_a_source_is_added_listed_checked_and_removed(demo: DemoServer, owner: psycopg.Connection) -> None:
    added = add(demo)
    assert (added.code, added.out.strip(), added.err) == (0, "source hub is ready: 11 tables in schema hub", "")
    assert value(owner, "SELECT count(*) FROM hub.issues WHERE owner = 'acme' AND repo = 'web'") > 0
    checked = ran(demo, "check", "hub")
    assert checked.code == 0
    assert 'server "hub" accepts the credential of ' in checked.err
    listed = ran(demo, "list")
    assert listed.code == 0
    for shown in ("hub", "github", demo.github.base_url, "public: given", "hub.issues"):
        assert shown in listed.out
    refused = ran(demo, "remove", "hub")
    assert refused.code == 1
    assert "2BP01" in refused.err
    assert ran(demo, "check", "hub").code == 0
    removed = ran(demo, "remove", "hub", "--cascade")
    assert (removed.code, removed.out.strip()) == (0, "source hub is removed")
    assert value(owner, "SELECT count(*) FROM pg_foreign_server WHERE srvname = 'hub'") == 0


def test_some_tables_for_one_role_in_another_schema(
    demo: DemoServer, owner: psycopg.Connection, tmp_path: Path
) -> None:
    file = tmp_path / "token"
    file.write_text(GOOD_TOKEN + "\n", encoding="utf-8")
    more = ("--schema", "s", "--limit-to", "issues, labels", "--role", "admin", "--secret-file", f"token={file}")
    added = add(demo, *more, given="")
    assert (added.code, added.out.strip()) == (0, "source hub is ready: 2 tables in schema s")
    assert value(owner, "SELECT usename FROM pg_user_mappings WHERE srvname = 'hub'") == "admin"
    owner.execute("DROP FOREIGN TABLE s.issues, s.labels")
    assert ran(demo, "remove", "hub").code == 0


def test_a_rejected_credential_leaves_nothing(demo: DemoServer, owner: psycopg.Connection) -> None:
    added = add(demo, given="ghp_wrong\n")
    assert added.code == 1
    assert "28000: CREDENTIALS_REJECTED" in added.err
    assert "ghp_wrong" not in added.out + added.err
    assert value(owner, "SELECT count(*) FROM pg_foreign_server WHERE srvname = 'hub'") == 0
    assert value(owner, "SELECT to_regnamespace('hub') IS NULL") is True


def test_who_may_not_is_told_by_postgresql(demo: DemoServer) -> None:
    added = add(demo, user="eve")
    assert added.code == 1
    assert "42501: permission denied for foreign-data wrapper github" in added.err
    assert GOOD_TOKEN not in added.out + added.err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--option", "token=ghp_argument"), "option token is a secret and is not taken from the command line"),
        (("--option", "ghp_argument"), "--option is to be written name=value"),
        (("--secret-file", "ghp_argument"), "--secret-file is to be written name=value"),
        (("--secret-file", "password=ghp_argument"), "there is no secret password"),
    ],
)
def test_secrets_are_no_arguments(demo: DemoServer, arguments: tuple[str, ...], words: str) -> None:
    refused = add(demo, *arguments)
    assert refused.code == 2
    assert words in refused.err
    assert "ghp_argument" not in refused.out + refused.err


def test_no_secret_is_no_source(demo: DemoServer) -> None:
    refused = add(demo, given="")
    assert (refused.code, refused.err.splitlines()[0]) == (2, "ERROR:  F0000: secret token is missing")


def test_a_terminal_is_asked_and_shows_nothing(demo: DemoServer, owner: psycopg.Connection) -> None:
    arguments = ["source", "add", "hub", "--connector", "github", "--option", f"base_url={demo.github.base_url}"]
    child, terminal = pty.fork()
    if child == 0:
        os.execve(PROGRAM, [PROGRAM, *arguments], environment(demo))
    shown = b""
    try:
        while b"token (" not in shown:
            shown += _read(terminal)
        os.write(terminal, GOOD_TOKEN.encode() + b"\n")
        while chunk := _read(terminal):
            shown += chunk
    except BaseException:
        os.kill(child, signal.SIGKILL)
        raise
    finally:
        _, status = os.waitpid(child, 0)
        os.close(terminal)
    assert os.waitstatus_to_exitcode(status) == 0
    assert GOOD_TOKEN.encode() not in shown
    assert b"source hub is ready" in shown


def _read(terminal: int) -> bytes:
    """Read what the terminal shows; nothing once the program has ended."""
    ready, _, _ = select.select([terminal], [], [], TIMEOUT_S)
    assert ready
    try:
        return os.read(terminal, 4096)
    except OSError:
        return b""
