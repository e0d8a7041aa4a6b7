"""Shapes that break statements need another version; answers that contradict a manifest are found."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from connectors.declarative.connector import DeclarativeConnector
from connectors.declarative.load import load_earlier, load_file
from connectors.declarative.manifest import ColumnDeclared, PathDeclared, TableDeclared
from connectors.declarative.proving import trial_source
from connectors.drift import Answers, Drift, drift_of
from connectors.github.hooks import HOOKS as GITHUB_HOOKS
from connectors.new_fields import new_fields
from connectors.registry import (
    add_folder,
    connector_named,
    earlier_named,
    forget_folders,
    manifest_named,
    manifest_names,
    shipped_file,
)
from connectors.sdk.connector import connector_at
from connectors.sdk.errors import ManifestInvalid, OptionInvalid
from connectors.sdk.quiet import QUIET_CONTEXT
from connectors.sdk.settings import Surroundings
from connectors.sdk.table import AccessPath, Column, Table
from connectors.shapes import SHAPES, changes, refusal_of, shape_of
from connectors.simulators import start_simulator
from connectors.simulators.company import build_company
from connectors.starter import start
from connectors.trial import LOOPBACK, TOKEN, simulator_for


@pytest.mark.parametrize("name", manifest_names())
def test_a_manifest_breaks_no_statement_without_another_version(name: str) -> None:
    loaded = manifest_named(name)
    known = json.loads((SHAPES / f"{name}.json").read_text(encoding="utf-8"))
    shape = shape_of(each.table for each in loaded.tables.values())
    earlier = earlier_named(name)
    kept = {each.manifest.version: shape_of(table.table for table in each.tables.values()) for each in earlier}
    assert refusal_of(known, loaded.manifest.version, shape, kept) is None
    renew = "PYTHONPATH=. python docs/shapes.py"
    assert {"version": loaded.manifest.version, "tables": shape} == known, f"renew the shape: {renew}"


def table(columns: dict[str, str], keys: tuple[str, ...] = (), primary_key: tuple[str, ...] = ("id",)) -> Table:
    return Table(
        name="t",
        description="",
        columns=tuple(Column(name=name, type_name=kind, path=name) for name, kind in columns.items()),
        primary_key=primary_key,
        access_paths=(AccessPath(name="all", request="GET /t", keys=keys),),
    )


BEFORE = {"id": "text", "n": "int4"}
CHANGES: tuple[tuple[Table, dict[str, bool]], ...] = (
    (table(BEFORE), {}),
    (table({**BEFORE, "more": "text"}), {"column t.more is new": False}),
    (table({"id": "text"}), {"column t.n is gone": True}),
    (table({**BEFORE, "n": "int8"}), {"column t.n was int4 and is int8": True}),
    (table(BEFORE, primary_key=("n",)), {"the primary key of t is another": True}),
    (table(BEFORE, ("id",)), {"t cannot be read any more without values that were not needed": True}),
)


@pytest.mark.parametrize(("after", "found"), CHANGES)
def test_changes_are_breaking_or_compatible(after: Table, found: dict[str, bool]) -> None:
    assert {each.text: each.is_breaking for each in changes(shape_of([table(BEFORE)]), shape_of([after]))} == found
    assert changes(shape_of([after]), {})[0].is_breaking
    assert not changes({}, shape_of([after]))[0].is_breaking


def test_a_breaking_change_needs_another_version_and_the_manifest_before_it() -> None:
    old, new = shape_of([table(BEFORE)]), shape_of([table({"id": "text"})])
    known = {"version": 3, "tables": old}
    assert refusal_of(known, 3, old, {}) is None
    assert refusal_of(known, 3, shape_of([table({**BEFORE, "more": "text"})]), {}) is None
    assert "column t.n is gone: raise version in the manifest above 3" in str(refusal_of(known, 3, new, {3: old}))
    assert "keep the manifest of version 3 as NAME.v3.yaml" in str(refusal_of(known, 4, new, {}))
    assert "keep the manifest of version 3" in str(refusal_of(known, 4, new, {3: new}))
    assert refusal_of(known, 4, new, {3: old}) is None


def released(folder: Path, versions: dict[str, int]) -> None:
    """Write manifests into a folder, by the names of their files, each of a version."""
    start("acme_crm", folder, ())
    text = (folder / "acme_crm.yaml").read_text(encoding="utf-8")
    (folder / "acme_crm.yaml").unlink()
    for file, version in versions.items():
        (folder / file).write_text(text.replace("title:", f"version: {version}\ntitle:", 1), encoding="utf-8")


def test_a_connector_has_the_versions_that_are_kept_and_no_other(tmp_path: Path) -> None:
    released(tmp_path, {"acme_crm.yaml": 12, "acme_crm.v2.yaml": 2, "acme_crm.v10.yaml": 10})
    try:
        add_folder(tmp_path)
        connector = connector_named("acme_crm")
        assert isinstance(connector, DeclarativeConnector)
        assert connector.versions == ("2", "10", "12")
        assert [connector.at(text).loaded.manifest.version for text in ("", "2", "10", "12")] == [2, 2, 10, 12]
        with pytest.raises(OptionInvalid, match="has no version 1") as refused:
            connector.at("1")
        assert "There is 2, 10, 12" in str(refused.value.hint)
    finally:
        forget_folders()


@pytest.mark.parametrize(
    ("versions", "words"),
    [
        ({"acme_crm.v1.yaml": 1}, "is kept, but there is no acme_crm.yaml"),
        ({"acme_crm.yaml": 1, "acme_crm.v1.yaml": 1}, "version 1 of acme_crm is kept beside version 1"),
        ({"acme_crm.yaml": 3, "acme_crm.v1.yaml": 2}, "declares version 2 of connector acme_crm"),
    ],
)
def test_versions_that_contradict_each_other_are_refused(versions: dict[str, int], words: str, tmp_path: Path) -> None:
    released(tmp_path, versions)
    with pytest.raises(ManifestInvalid, match=words):
        add_folder(tmp_path)


async def drifted(folder: Path, **replaced: Any) -> list[Drift]:
    """Return the drift of the template's API from its manifest with some texts replaced."""
    start("acme_crm", folder, ())
    file = folder / "acme_crm.yaml"
    text = file.read_text(encoding="utf-8")
    for old, new in replaced.items():
        assert f"      {old}: " in text
        text = text.replace(f"      {old}: text!\n", f"      {old}: {new}\n").replace(
            f"      {old}: text\n", f"      {old}: {new}\n"
        )
    file.write_text(text, encoding="utf-8")
    return await drift_by(file)


async def drift_by(file: Path) -> list[Drift]:
    loaded, folder = load_file(file), file.parent
    simulator = await start_simulator(simulator_for("acme_crm", folder)(build_company(issues=60)))
    answers = Answers()
    connector = DeclarativeConnector(loaded, LOOPBACK, Surroundings(witness=answers.see))
    connection = await connector.connect(trial_source(loaded, simulator.base_url, TOKEN))
    try:
        return await drift_of(loaded, connection, QUIET_CONTEXT, answers)
    finally:
        await connection.disconnect()
        await simulator.stop()


async def test_an_account_that_is_as_declared_has_no_drift(tmp_path: Path) -> None:
    assert await drifted(tmp_path) == []


@pytest.mark.parametrize(
    ("replaced", "found"),
    [
        # What has keys of a table that cannot be read is not read either, and said to be so.
        ({"title": "int8"}, {("comments", False), ("tasks", True)}),
        ({"body": "text! gone"}, {("comments", True)}),
        ({"status": "text nowhere"}, {("tasks", False)}),
    ],
)
async def test_what_contradicts_the_manifest_is_told_from_what_is_doubtful(
    tmp_path: Path, replaced: dict[str, str], found: set[tuple[str, bool]]
) -> None:
    drift = await drifted(tmp_path, **replaced)
    assert {(each.table, each.is_breaking) for each in drift if not each.is_new} == found


async def test_what_keys_are_from_is_read_first_wherever_it_stands(tmp_path: Path) -> None:
    start("acme_crm", tmp_path, ())
    file = tmp_path / "acme_crm.yaml"
    head, tasks, comments = re.split(r"(?m)^(?=  tasks:|  comments:)", file.read_text(encoding="utf-8"))
    keyed = 'all: {request: GET /tasks, inputs: {project: "{project_id}"}, keys: [project_id]}'
    tasks = tasks.replace("all: {request: GET /tasks}", keyed)
    tasks = tasks.replace("    pushdown:\n", "    references: {project_id: projects.id}\n    pushdown:\n")
    file.write_text(f"{head}{comments}{tasks}", encoding="utf-8")
    assert await drift_by(file) == []


async def test_a_field_that_no_column_takes_is_told_and_breaks_nothing(tmp_path: Path) -> None:
    assert await drifted(tmp_path, status="text title") == [
        Drift(table="tasks", is_breaking=False, is_new=True, text="no column takes status")
    ]


def test_fields_are_new_unless_a_column_leads_to_them_or_has_them_whole() -> None:
    columns: dict[str, str | ColumnDeclared] = {
        "id": "text!", "user": "text author.login", "labels": "text[] labels[*].name", "raw": "jsonb whole",
        "at": ColumnDeclared(type="timestamptz", epoch_s="made.at"),
        "either": ColumnDeclared(type="text", first_of=("a", "b['x y']")),
    }  # fmt: skip
    declared = TableDeclared(description="", primary_key=("id",), columns=columns, access_paths={"all": PathDeclared()})
    known = {"id": 1, "author": {"login": "ana"}, "labels": [{"name": "bug"}], "whole": {"any": 1}, "made": {"at": 1}}
    row = {**known, "a": 1, "b": {"x y": 2, "z": 3}, "author": {"login": "ana", "id": 7}, "nothing": None}
    assert new_fields(declared, [known]) == []
    assert new_fields(declared, [row, {"labels": [{"name": "x", "color": "red"}], "more": []}]) == [
        "author.id", "b.z", "labels.color", "more",
    ]  # fmt: skip


def test_a_package_keeps_versions_beside_its_manifest_and_is_older_than_what_it_does_not_have(tmp_path: Path) -> None:
    folder = tmp_path / "github"
    folder.mkdir()
    text = shipped_file("github").read_text(encoding="utf-8")
    (folder / "manifest.v1.yaml").write_text(text, encoding="utf-8")
    newest = text.replace("name: github\n", "name: github\nversion: 2\n", 1).replace(
        "      pushed_at: timestamptz\n", ""
    )
    (folder / "manifest.yaml").write_text(newest, encoding="utf-8")
    loaded = load_file(folder / "manifest.yaml", GITHUB_HOOKS)
    connector = DeclarativeConnector(loaded, earlier=load_earlier(loaded, folder))
    assert connector.versions == ("1", "2")
    names = {version: {column.name for column in connector.at(version).tables[0].columns} for version in ("1", "2")}
    assert names["1"] - names["2"] == {"pushed_at"}
    # A server that was made when a later version was installed is told what there is, and not given another shape.
    with pytest.raises(OptionInvalid, match="connector github has no version 3") as refused:
        connector_at(connector, "3")
    assert refused.value.sqlstate == "HV00D"
    assert refused.value.hint == "There is 1, 2: ALTER SERVER .. VERSION '2'."
