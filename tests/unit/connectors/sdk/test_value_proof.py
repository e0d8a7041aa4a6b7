"""The proof of values finds decoders that take what does not fit, or give a value to what is missing."""

from __future__ import annotations

from dataclasses import replace

import pytest

from connectors.sdk.decode import Row, RowDecoder, attach
from connectors.sdk.extract import Extract, const, path
from connectors.sdk.table import AccessPath, Column, Table
from connectors.sdk.testing import ValueProof, prove_values

TABLE = Table(
    name="things",
    description="Things.",
    columns=(
        Column(name="id", type_name="int8", path="id", nullable=False),
        Column(name="owner", type_name="text", path="owner.login"),
        Column(name="labels", type_name="text[]", path="labels[*].name"),
        Column(name="more", type_name="jsonb", path="more"),
    ),
    primary_key=("id",),
    access_paths=(AccessPath(name="all", request="GET /things"),),
)
ROWS: list[Row] = [{"id": 1, "owner": {"login": "ada"}, "labels": [{"name": "a"}], "more": {"x": 1}}]


def proof_of(extractors: dict[str, Extract], table: Table = TABLE, rows: list[Row] = ROWS) -> ValueProof:
    return prove_values(
        lambda names: RowDecoder(table, names, extractors), table, table.columns, rows, derived=frozenset()
    )


@pytest.mark.parametrize("table", [TABLE, replace(TABLE, misfits_are_null=True)], ids=["strict", "lenient"])
def test_columns_that_are_read_from_their_paths_are_proven(table: Table) -> None:
    proof = proof_of({}, table)
    assert proof.wrong == []
    assert proof.unfilled == []
    assert proof.spoiled == {"id": 6, "owner": 8, "labels": 5, "more": 2}


def test_a_value_that_is_always_there_is_found() -> None:
    assert "things.owner missing: it has a value" in proof_of({"owner": const("ada")}).wrong


def test_a_null_in_the_place_of_a_misfit_is_found() -> None:
    (below,) = proof_of({"owner": path("owner.login")}).wrong
    assert below == "things.owner below a number: 0 of 1 values that do not fit are counted"


def test_a_value_that_is_bent_to_its_type_is_found() -> None:
    wrong = proof_of({"owner": lambda row: str(path("owner.login")(row))}).wrong
    assert "things.owner as an object: a value that does not fit is taken" in wrong


def test_a_column_that_no_row_fills_is_told() -> None:
    assert proof_of({}, rows=[{"id": 1}]).unfilled == ["owner", "labels", "more"]


CALLED = replace(
    TABLE, columns=(*TABLE.columns, Column(name="size", type_name="int4", path="size.lines", hydrate="detail"))
)


@pytest.mark.parametrize("table", [CALLED, replace(CALLED, misfits_are_null=True)], ids=["strict", "lenient"])
def test_what_a_call_for_each_row_answers_is_spoiled_too(table: Table) -> None:
    rows = [dict(ROWS[0])]
    attach(rows[0], "detail", {"size": {"lines": 3}})
    proof = proof_of({}, table, rows)
    assert proof.wrong == []
    assert proof.spoiled["size"] == 12


def test_a_column_of_a_call_that_takes_what_does_not_fit_is_found() -> None:
    rows = [dict(ROWS[0])]
    attach(rows[0], "detail", {"size": {"lines": 3}})
    wrong = proof_of({"size": lambda body: 1 if body else 0}, CALLED, rows).wrong
    assert "things.size as a text: a value that does not fit is taken" in wrong
    assert "things.size missing: it has a value" in wrong


def test_a_column_of_calls_that_were_not_made_is_told() -> None:
    assert proof_of({}, CALLED).unfilled == ["size"]
