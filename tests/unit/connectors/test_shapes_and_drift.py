"""Shapes that break statements need another version; answers that contradict a manifest are found."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from connectors.declarative.connector import DeclarativeConnector
from connectors.declarative.load import load_file
from connectors.declarative.proving import trial_source
from connectors.drift import Drift, drift_of
from connectors.registry import manifest_named, manifest_names
from connectors.sdk.quiet import QUIET_CONTEXT
from connectors.sdk.table import AccessPath, Column, Table
from connectors.shapes import SHAPES, changes, shape_of
from connectors.simulators import start_simulator
from connectors.simulators.company import build_company
from connectors.starter import start
from connectors.trial import LOOPBACK, TOKEN, simulator_for


@pytest.mark.parametrize("name", manifest_names())
def test_a_manifest_breaks_no_statement_without_another_version(name: str) -> None:
    loaded = manifest_named(name)
    known = json.loads((SHAPES / f"{name}.json").read_text(encoding="utf-8"))
    shape = shape_of(each.table for each in loaded.tables.values())
    broken = [change.text for change in changes(known["tables"], shape) if change.is_breaking]
    assert not broken or loaded.manifest.version > known["version"], "raise version in the manifest"
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
    loaded = load_file(file)
    simulator = await start_simulator(simulator_for("acme_crm", folder)(build_company(issues=60)))
    connection = await DeclarativeConnector(loaded, LOOPBACK).connect(trial_source(loaded, simulator.base_url, TOKEN))
    try:
        return await drift_of(loaded, connection, QUIET_CONTEXT)
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
    assert {(each.table, each.is_breaking) for each in await drifted(tmp_path, **replaced)} == found
