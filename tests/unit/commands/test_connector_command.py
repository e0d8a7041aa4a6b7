"""`omnisql connector`: a new connector passes as it is, what is wrong is named with its place, secrets stay hidden."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from connectors.declarative.load import load_file
from connectors.registry import MANIFESTS, forget_folders, manifest_names, shipped_file
from omnisql_server.cli import execute
from omnisql_server.commands.terminal import ExitCode

Captured = pytest.CaptureFixture[str]


def test_what_new_writes_passes_its_own_proof(tmp_path: Path, capsys: Captured) -> None:
    assert execute(["connector", "new", "acme_crm", "--folder", str(tmp_path)]) == ExitCode.OK
    names = sorted(file.name for file in tmp_path.iterdir())
    assert names == ["acme_crm.yaml", "simulated_acme_crm.py", "test_acme_crm.py"]
    assert execute(["connector", "lint", str(tmp_path / "acme_crm.yaml")]) == ExitCode.OK
    capsys.readouterr()
    assert execute(["connector", "test", "acme_crm", "--folder", str(tmp_path)]) == ExitCode.OK
    shown = capsys.readouterr().out
    assert ", 0 taken wrongly" in shown
    assert "status (exact: =)" in shown


def test_a_manifest_that_says_what_is_not_so_fails_its_proof(tmp_path: Path, capsys: Captured) -> None:
    execute(["connector", "new", "acme_crm", "--folder", str(tmp_path)])
    file = tmp_path / "acme_crm.yaml"
    # The simulator takes project; a wrong name is refused there, as a wrong grade is found out.
    text = file.read_text(encoding="utf-8")
    file.write_text(text.replace('desc: {sort: "-created_at"}', "asc: {}"), encoding="utf-8")
    capsys.readouterr()
    assert execute(["connector", "test", "acme_crm", "--folder", str(tmp_path), "--table", "tasks"]) == ExitCode.FAILED
    assert "not so: tasks.all orders by created_at asc" in capsys.readouterr().out


def test_a_column_that_no_row_fills_is_told(tmp_path: Path, capsys: Captured) -> None:
    execute(["connector", "new", "acme_crm", "--folder", str(tmp_path)])
    file = tmp_path / "acme_crm.yaml"
    text = file.read_text(encoding="utf-8")
    file.write_text(text.replace("      body: text\n", "      body: text text\n"), encoding="utf-8")
    capsys.readouterr()
    arguments = ["connector", "test", "acme_crm", "--folder", str(tmp_path), "--table", "comments"]
    assert execute(arguments) == ExitCode.OK
    assert "not proved: comments: no row has a value in body" in capsys.readouterr().out


def test_lint_tells_file_line_and_column(tmp_path: Path, capsys: Captured) -> None:
    text = (MANIFESTS / "slack.yaml").read_text(encoding="utf-8")
    file = tmp_path / "slack.yaml"
    file.write_text(text.replace("    primary_key: [id]", "    primary_keys: [id]", 1), encoding="utf-8")
    line = next(at for at, each in enumerate(file.read_text().splitlines(), start=1) if "primary_keys" in each)
    assert execute(["connector", "lint", str(file)]) == ExitCode.FAILED
    shown = capsys.readouterr().out
    assert f"{file}:{line}:5: key primary_keys is not known here" in shown
    assert "Did you mean primary_key?" in shown


def test_every_manifest_passes_lint(capsys: Captured) -> None:
    files = [str(shipped_file(name)) for name in manifest_names()]
    assert execute(["connector", "lint", *files]) == ExitCode.OK
    assert capsys.readouterr().out.count(" tables") == len(files)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["new", "Bad-Name"], "small letters"),
        (["new", "github"], "there is a connector github already"),
        (["test", "postgres"], "is written in Python"),
        (["test", "nothing"], "there is no connector nothing"),
        (["test", "slack", "--table", "nothing"], "there is no table nothing"),
        (["test", "slack", "--live", "--option", "token=xoxb-1"], "is a secret"),
        (["test", "slack", "--secret-file", "token=x"], "--secret-file is for --live"),
        (["test", "slack", "--cassette", "x", "--option", "a=b"], "--option is not for --cassette"),
        (["test", "slack", "--option", "base_url=http://a"], "a simulator's address is its own"),
        (["test", "slack", "--option", "colour=red"], "has no option colour"),
        (["lint"], "no manifest is named"),
    ],
)
def test_what_cannot_be_done_is_said(arguments: list[str], words: str, capsys: Captured, tmp_path: Path) -> None:
    extra = ["--folder", str(tmp_path)] if arguments[0] == "new" else []
    assert execute(["connector", *arguments, *extra]) != ExitCode.OK
    shown = capsys.readouterr()
    assert words in shown.err
    assert "xoxb-1" not in shown.err + shown.out


def test_connectors_are_listed_with_their_kind(capsys: Captured) -> None:
    assert execute(["connector", "list"]) == ExitCode.OK
    shown = capsys.readouterr().out
    assert all(name in shown for name in (*manifest_names(), "github", "jira", "Python"))


IMPORTS = Path(__file__).parent.parent / "connectors" / "importing"


@pytest.mark.parametrize("kind", ["openapi", "airbyte"])
def test_import_writes_a_manifest_and_reports_beside_it(kind: str, tmp_path: Path, capsys: Captured) -> None:
    document = str(IMPORTS / f"acme_{kind}.yaml")
    assert execute(["connector", "import", kind, document, "--name", "acme"]) == ExitCode.OK
    written = capsys.readouterr()
    (tmp_path / "acme.yaml").write_text(written.out, encoding="utf-8")
    assert len(load_file(tmp_path / "acme.yaml").tables) == 3
    assert "refused: " in written.err
    assert " found: " in written.err.splitlines()[-1]
    missing = str(tmp_path / "nothing.yaml")
    assert execute(["connector", "import", kind, missing, "--name", "acme"]) != ExitCode.OK
    assert "nothing.yaml cannot be read" in capsys.readouterr().err


def test_source_add_knows_the_connectors_of_a_folder(tmp_path: Path, capsys: Captured) -> None:
    execute(["connector", "new", "acme_own", "--folder", str(tmp_path)])
    (tmp_path / "token").write_text("t", encoding="utf-8")
    capsys.readouterr()
    add = ["source", "add", "crm", "--connector", "acme_own", "--secret-file", f"token={tmp_path / 'token'}"]
    nowhere = ["--dsn", "postgresql://u:p@127.0.0.1:1/x"]
    assert execute([*add, *nowhere]) != ExitCode.OK
    assert "there is no connector acme_own" in capsys.readouterr().err
    assert execute([*add, *nowhere, "--folder", str(tmp_path)]) != ExitCode.OK
    assert "there is no connector" not in capsys.readouterr().err
    forget_folders()


def test_drift_compares_a_live_account(tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMNISQL_NETWORK_ALLOWED_NETWORKS", "127.0.0.0/8")
    (tmp_path / "token").write_text("simulated-token", encoding="utf-8")
    command = [sys.executable, "-m", "connectors.simulators", "--connector", "stripe", "--issues", "60"]
    with subprocess.Popen([*command, "--token", "simulated-token"], stdout=subprocess.PIPE, text=True) as simulator:
        assert simulator.stdout is not None
        address = json.loads(simulator.stdout.readline())["base_url"]
        secret = f"secret_key={tmp_path / 'token'}"
        arguments = ["connector", "drift", "stripe", "--option", f"base_url={address}", "--secret-file", secret]
        assert execute(arguments) == ExitCode.OK
        assert "tables of version 1 compared" in capsys.readouterr().out
        (tmp_path / "token").write_text("mistyped", encoding="utf-8")
        assert execute(arguments) != ExitCode.OK
        assert "does not accept its credentials" in capsys.readouterr().err
        simulator.terminate()
