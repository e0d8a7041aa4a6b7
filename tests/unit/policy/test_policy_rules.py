"""A policy file is taken only if every word of it is understood."""

from __future__ import annotations

from pathlib import Path

import pytest

from omnisql_server.errors import ConfigurationInvalid
from omnisql_server.policy.rules import Rule, Rules, load_rules

GOOD = """
version: 1
row_filters:
  - {name: rows, tables: [hub.issues, hub.pulls], column: repo, attribute: teams, values: {web: [a, b]}}
  - {name: keys, tables: [hub.notes], column: key, attribute: teams, values: {web: [WEB-]}, match: prefix}
masks:
  - {name: mail, tables: [hub.users], column: email, mask: "null", except: {teams: [security]}}
denials:
  - {name: none, tables: [hub.logs]}
"""
FILTER = "row_filters: [{name: x, tables: [a.b], column: c, attribute: d, values: {k: [v]}%s}]"
MASK = "masks: [{name: x, tables: [a.b], column: c, mask: %s}]"


def load(tmp_path: Path, text: str | bytes) -> Rules:
    path = tmp_path / "policy.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return load_rules(path)


def test_a_good_file_is_read_completely(tmp_path: Path) -> None:
    rules = load(tmp_path, GOOD)
    assert [(r["name"], tables_of(r), r["rows"]) for r in rules.row_filters] == [
        ("rows", ["hub.issues", "hub.pulls"], by_teams("in", "repo", ["a", "b"])),
        ("keys", ["hub.notes"], by_teams("startswith", "key", ["WEB-"])),
    ]
    assert (rules.masks[0]["mask"], rules.masks[0]["exempt"]) == ({"kind": "null"}, {"teams": ["security"]})
    assert (rules.denials[0]["name"], rules.denials[0]["exempt"]) == ("none", {})


def tables_of(rule: Rule) -> list[str]:
    return [table for target in rule["targets"] for table in target["tables"]]


def by_teams(operator: str, column: str, values: list[str]) -> Rule:
    return {"operator": operator, "column": column, "attribute": "teams", "values": {"web": values}}


def test_tables_of_postgresql_are_named_with_their_schema(tmp_path: Path) -> None:
    tags = "version: 1\ntags: {money: [postgres.sales.bills, postgres.sales.payers.credit]}\n"
    denied = load(
        tmp_path, f"{tags}denials: [{{name: x, tables: [postgres.sales.notes]}}, {{name: y, tagged: [money]}}]"
    )
    assert [tables_of(rule) for rule in denied.denials] == [["postgres.sales.notes"], ["postgres.sales.bills"]]
    masked = load(tmp_path, f"{tags}masks: [{{name: x, tables: ['postgres.*s'], column: credit, mask: 'null'}}]")
    assert [tables_of(rule) for rule in masked.masks] == [[]]
    with pytest.raises(ConfigurationInvalid, match="must be written as connector"):
        load(tmp_path, "version: 1\ndenials: [{name: x, tables: [postgres.bills]}]")


def test_no_file_is_no_policy(tmp_path: Path) -> None:
    assert load_rules(None) == Rules()
    assert load(tmp_path, "version: 1") == Rules()
    with pytest.raises(ConfigurationInvalid):
        load_rules(tmp_path / "missing.yaml")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "text",
        "version: 2",
        "version: true",
        "version: '1'",
        "row_filters: []",
        "version: 1\nunknown: []",
        "version: 1\n1: []",
        "version: 1\nmasks: {}",
        "version: 1\nmasks: null",
        "version: 1\nmasks: [x]",
        "version: 1\ndenials: [{name: x}]",
        "version: 1\ndenials: [{name: '', tables: [a.b]}]",
        "version: 1\ndenials: [{name: x, tables: []}]",
        "version: 1\ndenials: [{name: x, tables: a.b}]",
        "version: 1\ndenials: [{name: x, tables: [b]}]",
        "version: 1\ndenials: [{name: x, tables: [a.]}]",
        "version: 1\ndenials: [{name: x, tables: [.b]}]",
        "version: 1\ndenials: [{name: x, tables: [a.b.c]}]",
        "version: 1\ndenials: [{name: x, tables: [a.b], except: [y]}]",
        "version: 1\ndenials: [{name: x, tables: [a.b], except: null}]",
        "version: 1\ndenials: [{name: x, tables: [a.b], except: {teams: []}}]",
        "version: 1\ndenials: [{name: x, tables: [a.b], except: {teams: [no]}}]",
        "version: 1\ndenials: [{name: x, tables: [a.b], exempt: {}}]",
        "version: 1\n" + MASK % "hide",
        "version: 1\n" + MASK % "null",
        "version: 1\n" + MASK % "[redact]",
        "version: 1\n" + FILTER % ", match: like",
        "version: 1\n" + FILTER % ", mask: x",
        "version: 1\nrow_filters: [{name: x, tables: [a.b], column: c, attribute: d}]",
        "version: 1\nrow_filters: [{name: x, tables: [a.b], column: c, attribute: d, values: {k: []}}]",
        "version: 1\nrow_filters: [{name: x, tables: [a.b], column: c, attribute: d, values: {k: [1]}}]",
        "version: 1\nrow_filters: [{name: x, tables: [a.b], column: c, attribute: d, values: {no: [v]}}]",
        "version: 1\nrow_filters: [{name: x, tables: [a.b], column: 1, attribute: d, values: {k: [v]}}]",
        "version: 1\n\t- x",
        "!!python/object:os.system {}",
        b"version: 1 # \xff\xfe",
    ],
)
def test_a_malformed_file_is_refused(tmp_path: Path, text: str | bytes) -> None:
    with pytest.raises(ConfigurationInvalid) as caught:
        load(tmp_path, text)
    assert "policy.yaml" in caught.value.message
