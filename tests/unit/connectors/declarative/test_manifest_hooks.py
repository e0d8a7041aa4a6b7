"""Hooks of a manifest: named at closed places, refused with their place where there is none, and what they do."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from pathlib import Path
from typing import Any

import pytest
from local_network import LOCAL_SETTINGS

from connectors.declarative.connector import DeclarativeConnector
from connectors.declarative.discovering import extended
from connectors.declarative.hooks import Found, Hooks, Narrow, Site
from connectors.declarative.load import load_file, load_text
from connectors.declarative.readings import readings
from connectors.registry import add_folder, load, shipped_file
from connectors.sdk.connector import Source
from connectors.sdk.errors import Fatal, ManifestInvalid
from connectors.sdk.grades import grade_of
from connectors.sdk.quiet import QUIET_CONTEXT
from connectors.sdk.reading import RowList
from connectors.sdk.scan import Operator, Predicate, Scan, Value
from connectors.sdk.table import Grade

MANIFEST = """\
omnisql: 1
name: tiny
title: Tiny
documentation: https://tiny.example/docs
base_url: https://tiny.example
secrets:
  token: {description: A token.}
auth:
  - {kind: header, value: "Bearer {token}"}
check: {request: GET /me, shows: name}
pagination: {kind: none}
tables:
  things:
    description: Things.
    primary_key: [id]
    columns:
      id: int8!
      name: text
      details: {type: text, hydrate: more}
    hydrate:
      more: {request: "GET /things/{id}"}
    pushdown:
      name: {"=": {send: name}}
    access_paths:
      by_name: {request: "GET /names/{name}", keys: [name], single: true}
      all: {request: GET /things}
"""
# What is replaced, by what, the key that is told, and the place of the hook.
NAMED = [
    ("title: Tiny", "title: Tiny\njudge: mine", "judge:", "judge"),
    ("title: Tiny", "title: Tiny\nmeasure: mine", "measure:", "measure"),
    ("title: Tiny", "title: Tiny\ndiscover: mine", "discover:", "discover"),
    ("{send: name}", "{send: name, takes: mine}", "takes:", "takes"),
    ("single: true}", "single: true, keys_from: mine}", "keys_from:", "keys_from"),
    ("GET /things}", "GET /things, instead: mine}", "instead:", "instead"),
    ("GET /things}", "GET /things, narrow: mine}", "narrow:", "narrow"),
    ("GET /things}", "GET /things, counts: {hook: mine}}", "hook:", "counts"),
    ("GET /things}", "GET /things, filter: {send: q, hook: mine}}", "filter:", "dialects"),
    ('"GET /things/{id}"}', '"GET /things/{id}", together: {hook: mine, max: 9}}', "hook:", "together"),
]


class _Anything(dict[str, Any]):
    """A mapping of hooks whose one name is `yours`."""

    def __init__(self) -> None:
        super().__init__(yours=object())


@pytest.mark.parametrize(("old", "new", "key", "place"), NAMED)
def test_a_hook_that_does_not_exist_is_told_with_its_place(old: str, new: str, key: str, place: str) -> None:
    text = MANIFEST.replace(old, new)
    before, _, _ = text.partition(key)
    assert before != text
    with pytest.raises(ManifestInvalid) as refused:
        load_text(text, "tiny.yaml", Hooks(**{place: _Anything()}))
    line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
    assert f"tiny.yaml, line {line}, column {column}: there is no hook mine" in refused.value.message
    assert refused.value.hint == "Allowed: yours."


def test_a_manifest_in_a_folder_has_no_hooks(tmp_path: Path) -> None:
    file = tmp_path / "tiny.yaml"
    file.write_text(MANIFEST.replace("title: Tiny", "title: Tiny\njudge: refusals"), encoding="utf-8")
    with pytest.raises(ManifestInvalid, match="there is no hook refusals") as refused:
        add_folder(tmp_path)
    assert refused.value.hint == "Only a connector that is a Python package has hooks."
    # Not even a copy of one that has: the hooks are those of its package, not of its name.
    copied = tmp_path / "github" / "manifest.yaml"
    copied.parent.mkdir()
    copied.write_text(shipped_file("github").read_text(encoding="utf-8"), encoding="utf-8")
    with pytest.raises(ManifestInvalid, match="there is no hook"):
        load(copied)
    assert load(shipped_file("github")).hooks.judge


def test_a_manifest_of_a_package_is_called_as_its_folder(tmp_path: Path) -> None:
    file = tmp_path / "manifest.yaml"
    file.write_text(MANIFEST, encoding="utf-8")
    with pytest.raises(ManifestInvalid, match="declares connector tiny") as refused:
        load_file(file, Hooks())
    assert refused.value.hint == "Call the folder tiny."


def test_a_value_is_pushed_where_a_hook_takes_it() -> None:
    hooks = Hooks(takes={"short": lambda value: isinstance(value, str) and len(value) < 3})
    text = MANIFEST.replace('{"=": {send: name}}', "{like: {send: match, takes: short}}")
    path = load_text(text, "tiny.yaml", hooks).tables["things"].table.access_paths[1]

    def grade(value: str) -> Grade:
        return grade_of(path, Predicate(column="name", operator=Operator.LIKE, value=value))

    assert (grade("a%"), grade("abc%")) == (Grade.SUPERSET, Grade.NONE)
    with pytest.raises(ManifestInvalid, match="as a hook takes them"):
        load_text(text.replace(", takes: short", ""), "tiny.yaml", hooks)


def test_what_is_discovered_is_read_as_if_the_manifest_said_it() -> None:
    plain = load_text(MANIFEST, "tiny.yaml")
    found: Found = {
        "things": {
            "columns": {"size": "int4 extra.size", "color": {"type": "text", "path": "extra.c"}},
            "pushdown": {"color": {"=": {"send": "color"}}},
        }
    }
    table = extended(plain, found).tables["things"]
    row = {"id": 1, "extra": {"size": 7, "c": "red"}}
    assert [table.columns[name].extract(row) for name in ("size", "color")] == [7, "red"]
    assert Operator.EQ in table.table.access_paths[1].operators["color"]
    assert "size" not in plain.tables["things"].columns
    with pytest.raises(ManifestInvalid, match="tiny cannot be read as its source says: there is no type int5"):
        extended(plain, {"things": {"columns": {"size": "int5"}}})


async def test_a_source_that_refuses_whatever_is_left_out_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Scan] = []

    async def before(_site: Site, scan: Scan) -> Scan:
        return scan

    def refused(scan: Scan, _places: Mapping[str, str], _refusal: Fatal) -> Scan | None:
        return scan

    async def refusing(_table: Any, scan: Scan, _reader: Any) -> AsyncGenerator[RowList, None]:
        asked.append(scan)
        if asked:
            raise Fatal(message="refused")
        yield RowList(rows=[])

    hooks = Hooks(narrow={"mine": Narrow(before=before, refused=refused)})
    loaded = load_text(MANIFEST.replace("GET /things}", "GET /things, narrow: mine}"), "tiny.yaml", hooks)
    source = Source(tenant="t", server="small", connector="tiny", secrets={"token": "x"})
    connection = await DeclarativeConnector(loaded, LOCAL_SETTINGS).connect(source)
    monkeypatch.setattr(connection, "_read", refusing)
    with pytest.raises(Fatal, match="refuses a query again and again"):
        async for _ in connection.fetch(Scan(table="things", access_path="all", columns=("id",)), QUIET_CONTEXT):
            pass
    await connection.disconnect()
    assert len(asked) == 8


def parameters(pushdown: str, *where: tuple[str, Operator, Value]) -> dict[str, str]:
    text = MANIFEST.replace('name: {"=": {send: name}}', pushdown).replace("name: text\n", "name: text[]\n")
    loaded = load_text(
        text.replace("by_name: {", "by_id: {").replace("name}", "id}").replace("[name]", "[id]"), "t.yaml"
    )
    predicates = tuple(Predicate(column=column, operator=operator, value=value) for column, operator, value in where)
    scan = Scan(table="things", access_path="all", columns=("id",), predicates=predicates)
    (reading,) = readings(loaded, scan, {})
    return dict(reading.request.parameters)


def test_elements_of_several_conditions_are_sent_together_as_far_as_a_list_goes() -> None:
    pushdown = 'name: {contains: {send: tags, join: ",", maximum: 3}}'
    two: tuple[str, Operator, Value] = ("name", Operator.CONTAINS, ("a", "b"))
    assert parameters(pushdown, two, ("name", Operator.CONTAINS, ("b", "c"))) == {"tags": "a,b,c"}
    assert parameters(pushdown, two, ("name", Operator.CONTAINS, ("c", "d"))) == {"tags": "a,b"}


def test_bounds_of_one_input_are_one_range() -> None:
    pushdown = 'id: {">=": {send: id, range: dots}, "<=": {send: id, range: dots}}'
    least: tuple[str, Operator, Value] = ("id", Operator.GE, 3)
    assert parameters(pushdown, least) == {"id": ">=3"}
    assert parameters(pushdown, ("id", Operator.LE, 9)) == {"id": "<=9"}
    assert parameters(pushdown, least, ("id", Operator.LE, 9), ("id", Operator.GE, 5)) == {"id": "5..9"}
