"""`omnisql policy`: what it prints, and its exit codes."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path

import pytest

from omnisql_server.cli import execute
from omnisql_server.commands.terminal import ExitCode

Captured = pytest.CaptureFixture[str]
POLICY = """
version: 1
row_filters:
  - name: team
    tables: [hub.issues]
    rows: {all: [{column: repo, in: {attribute: teams}}, {not: {column: size, at_least: 5}}]}
masks:
  - {name: mail, tables: [hub.users], column: email, mask: hash}
denials:
  - {name: vault, tables: [hub.vault], except: {teams: [finance]}}
"""
TESTS = """
tests:
  - name: own rows
    as: {user: eve, teams: [web]}
    reads: {hub.issues: [repo]}
    expect: {filters: [team]}
    shows: [{repo: web, size: 4}]
    hides: [{repo: api, size: 4}, {repo: web, size: 5}, {repo: web}]
  - {name: mail, as: {user: eve}, reads: {hub.users: [email]}, expect: {masks: {email: hash}}}
  - {name: vault, as: {user: eve}, reads: {hub.vault: []}, expect: {denials: [vault]}}
"""


def written(tmp_path: Path, text: str, name: str = "policy.yaml") -> str:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_compile_shows_data_or_writes_a_bundle(tmp_path: Path, capsys: Captured) -> None:
    file = written(tmp_path, POLICY)
    assert execute(["policy", "compile", file]) == ExitCode.OK
    data = json.loads(capsys.readouterr().out)["omnisql_policies"]
    assert [rule["name"] for rule in data["denials"]] == ["vault"]
    assert execute(["policy", "compile", file, "-o", str(tmp_path / "b.tar.gz")]) == ExitCode.OK
    assert data["revision"] in capsys.readouterr().out
    with tarfile.open(fileobj=io.BytesIO((tmp_path / "b.tar.gz").read_bytes())) as archive:
        assert archive.getnames() == ["/.manifest", "/omnisql.rego", "/data.json"]


def test_a_wrong_file_is_exit_code_2(tmp_path: Path, capsys: Captured) -> None:
    assert execute(["policy", "compile", written(tmp_path, "version: 2")]) == ExitCode.USAGE
    assert "version must be 1" in capsys.readouterr().err


def test_the_tests_of_a_file_are_run(tmp_path: Path, capsys: Captured) -> None:
    assert execute(["policy", "test", written(tmp_path, POLICY + TESTS)]) == ExitCode.OK
    assert capsys.readouterr().out == "3 of 3 tests passed\n"


def test_a_failing_test_tells_in_what(tmp_path: Path, capsys: Captured) -> None:
    wrong = TESTS.replace("repo: api, size: 4", "repo: web, size: 1").replace("email: hash", "email: redact")
    assert execute(["policy", "test", written(tmp_path, POLICY + wrong)]) == ExitCode.FAILED
    out = capsys.readouterr().out
    assert "FAILED own rows: shows {'repo': 'web', 'size': 1}" in out
    assert "FAILED mail: masks are {'email': 'hash'}, not {'email': 'redact'}" in out
    assert out.endswith("1 of 3 tests passed\n")


def test_a_file_without_tests_has_not_passed(tmp_path: Path) -> None:
    assert execute(["policy", "test", written(tmp_path, POLICY)]) == ExitCode.FAILED


@pytest.mark.parametrize(
    "case",
    [
        "{name: x}",
        "{name: x, as: {user: e}, reads: {hub.t: []}}",
        "{name: x, as: {}, reads: {hub.t: []}, expect: {filters: []}}",
        "{name: x, as: {user: e, teams: web}, reads: {hub.t: []}, expect: {filters: []}}",
        "{name: x, as: {user: e}, reads: {t: []}, expect: {filters: []}}",
        "{name: x, as: {user: e}, reads: {hub.t: [], hub.u: []}, shows: [{a: 1}]}",
        "{name: x, as: {user: e}, reads: {hub.t: []}, expect: {rows: []}}",
    ],
)
def test_a_malformed_test_is_refused(tmp_path: Path, capsys: Captured, case: str) -> None:
    assert execute(["policy", "test", written(tmp_path, f"{POLICY}tests: [{case}]")]) == ExitCode.USAGE
    assert "F0000" in capsys.readouterr().err


def test_explain_shows_what_becomes_of_a_query(tmp_path: Path, capsys: Captured) -> None:
    file = written(tmp_path, POLICY)
    sql = "SELECT u.email FROM hub.users u JOIN hub.issues i ON i.id = u.id"
    assert execute(["policy", "explain", "eve", sql, "--file", file, "--attribute", "teams=web,api"]) == ExitCode.OK
    out = capsys.readouterr().out
    assert "email masked by mail: hash" in out
    assert "rows by team" in out
    assert "'api', 'web'" in out
    assert execute(["policy", "explain", "eve", "SELECT 1 FROM hub.vault", "--file", file]) == ExitCode.FAILED
    assert "denied by vault" in capsys.readouterr().out
    assert execute(["policy", "explain", "eve", "SELECT 1", "--file", file]) == ExitCode.FAILED


def test_diff_names_what_differs(tmp_path: Path, capsys: Captured) -> None:
    old = written(tmp_path, POLICY, "old.yaml")
    changed = POLICY.replace("mask: hash", "mask: redact").replace("name: vault", "name: safe")
    new = written(tmp_path, changed, "new.yaml")
    assert execute(["policy", "diff", old, old]) == ExitCode.OK
    assert capsys.readouterr().out == ""
    assert execute(["policy", "diff", old, new]) == ExitCode.FAILED
    assert capsys.readouterr().out.splitlines() == ["~ masks mail: mask", "+ denials safe", "- denials vault"]
