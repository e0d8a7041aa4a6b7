"""The command line: exit codes, one-line errors, and no secrets or tracebacks."""

from __future__ import annotations

import errno
import socket
import struct
import threading
from collections.abc import Iterator
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from catalog.errors import CatalogError
from omnisql_server.cli import execute
from omnisql_server.commands.doctor import CHECKS, examine
from omnisql_server.commands.query import as_table
from omnisql_server.commands.terminal import ExitCode, report
from omnisql_server.errors import ConfigurationInvalid, NotSupported
from omnisql_server.settings import ClusterSettings, DataSettings, ListenerSettings, Settings

Captured = pytest.CaptureFixture[str]


def test_help_lists_the_commands(capsys: Captured) -> None:
    assert execute(["--help"]) == ExitCode.OK
    shown = capsys.readouterr().out
    for command in ("serve", "demo", "query", "doctor"):
        assert command in shown


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["frobnicate"], "frobnicate"),
        (["query"], "requires an argument"),
        (["demo", "--port", "70000"], "65535"),
        (["demo", "--issues", "0"], "--issues"),
        (["serve", "--nope"], "--nope"),
    ],
)
def test_a_wrong_command_line_is_two_lines_and_exit_code_2(capsys: Captured, arguments: list[str], words: str) -> None:
    assert execute(arguments) == ExitCode.USAGE
    captured = capsys.readouterr()
    assert captured.out == ""
    assert words in captured.err
    assert captured.err.count("\n") == 2
    assert captured.err.startswith("ERROR:  ")


def test_a_wrong_configuration_is_named_without_traceback(capsys: Captured, tmp_path: Path) -> None:
    file = tmp_path / "omnisql.yaml"
    file.write_text("listener:\n  prot: 5432\n", encoding="utf-8")
    assert execute(["serve", "--config", str(file)]) == ExitCode.USAGE
    assert capsys.readouterr().err.splitlines()[0] == "ERROR:  F0000: setting listener.prot is unknown"


def test_nobody_to_connect_to_is_exit_code_3_and_the_password_stays_hidden(capsys: Captured) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        assert execute(["query", "SELECT 1", "--dsn", f"postgresql://u:hunter2@127.0.0.1:{port}/d"]) == 3
    captured = capsys.readouterr()
    assert captured.err.splitlines()[0] == "ERROR:  08001: cannot connect: Connection refused"
    assert "hunter2" not in captured.err + captured.out


@pytest.mark.parametrize("dsn", ["mysql://u:hunter2@h/d", "postgresql://u:hunter2@h:port/d"])
def test_a_wrong_dsn_is_not_quoted(capsys: Captured, dsn: str) -> None:
    assert execute(["query", "SELECT 1", "--dsn", dsn]) == 3
    assert "hunter2" not in capsys.readouterr().err


@pytest.fixture
def refusing_server() -> Iterator[int]:
    """A server whose only answer is an ErrorResponse (PostgreSQL 18, chapter 54.7)."""
    fields = {"S": "FATAL", "V": "FATAL", "C": "53300", "M": "too many clients", "D": "Limit [5].", "H": "Come again."}
    body = b"".join(key.encode() + text.encode() + b"\0" for key, text in fields.items()) + b"\0"
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def answer() -> None:
            accepted, _ = listening.accept()
            with accepted:
                accepted.recv(8192)
                accepted.sendall(b"E" + struct.pack("!i", len(body) + 4) + body)

        thread = threading.Thread(target=answer)
        thread.start()
        yield listening.getsockname()[1]
        thread.join(timeout=5)


def test_an_error_shows_its_sqlstate_detail_and_hint(capsys: Captured, refusing_server: int) -> None:
    dsn = f"postgresql://u:p@127.0.0.1:{refusing_server}/d?sslmode=disable"
    assert execute(["query", "SELECT 1", "--dsn", dsn]) == ExitCode.FAILED
    assert capsys.readouterr().err.splitlines() == [
        "FATAL:  53300: too many clients",
        "DETAIL:  Limit [5].",
        "HINT:  Come again.",
    ]


def test_errors_of_a_group_are_all_shown(capsys: Captured) -> None:
    group = BaseExceptionGroup(
        "tasks",
        [
            NotSupported(message="first [bold]", hint="Do it."),
            BaseExceptionGroup("inner", [OSError(errno.EADDRINUSE, "Address already in use")]),
        ],
    )
    assert report(group) == ExitCode.FAILED
    assert capsys.readouterr().err.splitlines() == [
        "ERROR:  0A000: first [bold]",
        "HINT:  Do it.",
        "ERROR:  the operating system refused: Address already in use",
    ]


def test_a_configuration_error_is_a_usage_error(capsys: Captured) -> None:
    assert report(ConfigurationInvalid(message="no")) == ExitCode.USAGE
    assert capsys.readouterr().err == "ERROR:  F0000: no\n"


def test_a_defect_keeps_its_traceback() -> None:
    with pytest.raises(ZeroDivisionError):
        report(ZeroDivisionError())


def test_values_are_shown_as_they_are() -> None:
    console = Console(file=StringIO(), width=60)
    console.print(as_table([("n[0]", True), ("title", False)], [(7, "[red]x[/]"), (None, True)]))
    assert isinstance(console.file, StringIO)
    shown = console.file.getvalue()
    for text in ("n[0]", "[red]x[/]", "NULL", "│ t"):
        assert text in shown


def test_doctor_tries_every_part_and_tells_what_to_do(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        (tmp_path / "file").write_text("", encoding="utf-8")
        settings = Settings(
            listener=ListenerSettings(port=port), data=DataSettings(directory=tmp_path / "file" / "below")
        )
        findings = {finding.part: finding for finding in examine(settings)}
    assert set(findings) == {check.part for check in CHECKS}
    failing = {part: finding.fact for part, finding in findings.items() if not finding.works}
    assert failing == {
        "port": f"127.0.0.1:{port} is taken",
        "data directory": f"{tmp_path / 'file'} is not a directory",
    }
    assert "listener.port" in findings["port"].remedy
    assert "18." in findings["PostgreSQL"].fact
    assert "httpfs" in findings["DuckDB"].fact
    assert "none for all together" in findings["memory"].fact


def test_doctor_says_what_bounds_the_memory_of_a_cluster(tmp_path: Path) -> None:
    (probe,) = (check.probe for check in CHECKS if check.part == "memory")
    settings = Settings(clusters=ClusterSettings(control_group=tmp_path, memory_mb=512))
    with pytest.raises(CatalogError, match="cannot be used"):
        probe(settings)
    (tmp_path / "cgroup.subtree_control").write_text("memory\n")
    assert f"512 MB for all together ({tmp_path})" in probe(settings)
