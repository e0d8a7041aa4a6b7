"""OpenAPI descriptions become manifests whose tables are proved; what is not understood is named."""

from __future__ import annotations

import gzip
import json
import warnings
from pathlib import Path
from typing import Any

import pytest
import yaml

from connectors.declarative.load import load_file, load_text
from connectors.importing.openapi import import_openapi
from connectors.importing.report import Imported, Refused
from connectors.starter import start
from connectors.trial import simulator_for, try_on_simulator

ACME = Path(__file__).with_name("acme_openapi.yaml")


def acme() -> dict[str, Any]:
    read: dict[str, Any] = yaml.safe_load(ACME.read_text(encoding="utf-8"))
    return read


@pytest.fixture(scope="module")
def imported() -> Imported:
    """Import the description."""
    return import_openapi(acme(), "acme_crm")


def test_lists_become_tables_and_the_rest_is_named(imported: Imported) -> None:
    outcomes = {part.name: (part.outcome, part.refused or "; ".join(part.warnings)) for part in imported.parts}
    assert outcomes == {
        "comments": ("converted", ""),
        "events": (
            "refused",
            "parameter cursor takes a cursor, and no field of the answer is known to hold the next one",
        ),
        "metrics": ("refused", "no property is known to identify its rows (id, uuid, key ..)"),
        "projects": ("converted", ""),
        "reports": ("refused", "parameter kind is required, and nothing says what to give"),
        "tasks": ("converted", ""),
    }
    assert next(part.unused for part in imported.parts if part.name == "tasks") == ["project", "sort"]
    assert imported.warnings == ("security scheme old: keys in a query are not sent, because addresses are logged",)


def test_the_manifest_says_what_the_description_says(imported: Imported) -> None:
    loaded = load_text(imported.text or "", "acme_crm.yaml")
    assert loaded.manifest.base_url == "https://api.example.com"
    assert loaded.manifest.check.request == "GET /me"
    tasks = loaded.tables["tasks"].table
    assert {column.name: column.type_name for column in tasks.columns} == {
        "id": "text", "project_id": "text", "title": "text", "status": "text", "created_at": "timestamptz",
        "parent": "jsonb", "ber_name": "text",
    }  # fmt: skip
    assert [path.name for path in loaded.tables["projects"].table.access_paths] == ["by_key", "all"]
    assert loaded.tables["comments"].references == {"task_id": ("tasks", "id")}


async def test_what_it_declares_is_proved_against_the_api_it_describes(imported: Imported, tmp_path: Path) -> None:
    start("acme_crm", tmp_path, ())
    (tmp_path / "acme_crm.yaml").write_text(imported.text or "", encoding="utf-8")
    trial = await try_on_simulator(load_file(tmp_path / "acme_crm.yaml"), simulator_for("acme_crm", tmp_path))
    assert trial.failures == []
    assert all(each.row_count for each in trial.tables)
    assert trial.faults is not None
    assert trial.faults.wrong == []


def listing(parameters: list[dict[str, Any]], properties: dict[str, Any] | None = None) -> dict[str, Any]:
    """Describe an API with one list of objects."""
    row = {"type": "object", "properties": {"id": {"type": "integer"}, "state": {"type": "string"}}}
    body = {"type": "object", "properties": {"items": {"type": "array", "items": row}, **(properties or {})}}
    response = {"content": {"application/json": {"schema": body}}}
    operation = {"parameters": parameters, "responses": {"200": response}}
    return {"openapi": "3.0.0", "info": {"title": "x"}, "paths": {"/things": {"get": operation}}}


def query(name: str, **schema: Any) -> dict[str, Any]:
    return {"name": name, "in": "query", "schema": {"type": "string", **schema}}


PAGES: tuple[tuple[list[dict[str, Any]], dict[str, Any], dict[str, Any]], ...] = (
    ([query("page"), query("per_page", maximum=50)], {}, {"kind": "page", "send": "page", "size": "per_page"}),
    ([query("page", minimum=0)], {}, {"kind": "page", "first": 0}),
    ([query("offset"), query("limit")], {"total": {"type": "integer"}}, {"kind": "offset", "total": "total"}),
    ([query("page[after]")], {"meta": {"properties": {"after_cursor": {}}}}, {"next": "meta.after_cursor"}),
    (
        [query("starting_after")],
        {"has_more": {"type": "boolean"}},
        {"kind": "cursor", "last": "id", "more": "has_more"},
    ),
    ([query("cursor")], {"next": {"type": "string"}}, {"kind": "next_url", "next": "next"}),
    ([query("limit", maximum=30)], {}, {"kind": "none", "rows_max": 30}),
)


@pytest.mark.parametrize(("parameters", "properties", "wanted"), PAGES)
def test_paginations_are_recognized(
    parameters: list[dict[str, Any]], properties: dict[str, Any], wanted: dict[str, Any]
) -> None:
    text = import_openapi(listing(parameters, properties), "x").text or ""
    assert wanted.items() <= yaml.safe_load(text)["tables"]["things"]["pagination"].items()


def test_a_listing_that_leaves_rows_out_by_default_is_asked_for_all_or_told() -> None:
    hiding = import_openapi(listing([query("state", enum=["open", "closed", "all"], default="open")]), "x")
    table = yaml.safe_load(hiding.text or "")["tables"]["things"]
    assert table["access_paths"]["all"]["inputs"] == {"state": "all"}
    assert table["pushdown"]["state"]["="]["accepts"] == ["open", "closed"]
    told = import_openapi(listing([query("state", enum=["open", "closed"], default="open")]), "x")
    assert "without a condition on state the source gives only 'open'" in told.parts[0].warnings


ROW = {"type": "object", "properties": {"id": {"type": "integer"}, "state": {"type": "string"}}}
ENVELOPE = {"type": "object", "properties": {"whatever": {"type": "array", "items": ROW}}}


@pytest.mark.parametrize(
    ("body", "parameters", "below", "reason"),
    [
        (ROW, ["page", "per_page"], False, "it takes page"),
        (ROW, [], True, "one of the same is below it"),
        (ROW, ["per_page"], False, None),
        (ENVELOPE, ["page"], True, None),
    ],
)
def test_a_list_that_is_described_as_one_object_is_taken_for_a_list_and_told(
    body: dict[str, Any], parameters: list[str], below: bool, reason: str | None
) -> None:
    answer = {"responses": {"200": {"content": {"application/json": {"schema": body}}}}}
    paths = {"/things": {"get": {**answer, "parameters": [query(name) for name in parameters]}}}
    if below:
        paths["/things/{id}"] = {"get": {**answer, "parameters": []}}
    found = import_openapi({"openapi": "3.0.0", "info": {"title": "x"}, "paths": paths}, "x")
    if reason is None:
        assert (found.parts, found.text) == ([], None)
        return
    (part,) = found.parts
    assert f"because {reason}" in "; ".join(part.warnings)
    loaded = load_text(found.text or "", "x.yaml")
    assert {path.name for path in loaded.tables["things"].table.access_paths} == {"all", *(["by_key"] if below else [])}


def test_tables_are_named_by_words_of_their_paths_and_not_by_versions() -> None:
    document = listing([], {})
    (item,) = document["paths"].values()
    document["paths"] = dict.fromkeys(("/rest/api/3/users", "/rest/api/3/search/users", "/crm/v3/objects/0-3"), item)
    assert [part.name for part in import_openapi(document, "x").parts] == ["objects", "users", "search_users"]


def test_older_descriptions_are_refused() -> None:
    with pytest.raises(Refused, match="version 3"):
        import_openapi({"swagger": "2.0"}, "x")


SPECIFICATIONS = Path(__file__).parents[5] / "shared" / "specs"


@pytest.mark.parametrize(("vendor", "tables"), [("gitlab", 51), ("zendesk-support", 71)])
def test_published_descriptions_become_tables(vendor: str, tables: int) -> None:
    file = SPECIFICATIONS / f"{vendor}-openapi.json.gz"
    if not file.is_file():
        warnings.warn(f"no API description of {vendor} at {SPECIFICATIONS}: the gate is inactive", stacklevel=1)
        return
    imported = import_openapi(json.loads(gzip.decompress(file.read_bytes())), "vendor")
    assert imported.count("converted") + imported.count("with warnings") == tables
