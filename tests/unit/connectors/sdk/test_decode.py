"""Rows to Arrow: every type, what does not fit, paths and functions, and that no message shows a value."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.types import BY_SQL_NAME
from connectors.sdk.convert import Unfit, convert
from connectors.sdk.decode import RowDecoder, attach
from connectors.sdk.errors import Fatal, ManifestInvalid
from connectors.sdk.extract import MISFIT, adf_text, column_path, first_of, joined, matched, number, path, present
from connectors.sdk.misfits import Misfit, added, of_columns
from connectors.sdk.table import AccessPath, Column, Table

FITTING: list[tuple[str, list[Any], list[Any]]] = [
    ("text", ["a", None, "ü\U0001f600"], ["a", None, "ü\U0001f600"]),
    ("bool", [True, None, False], [True, None, False]),
    ("int4", [1, None, -(2**31), 3.0], [1, None, -(2**31), 3]),
    ("int8", [2**63 - 1], [2**63 - 1]),
    ("float8", [1, 2.5, None], [1.0, 2.5, None]),
    ("numeric", [1, 2.5, "1.10", None, 10**30], ["1", "2.5", "1.10", None, "1" + "0" * 30]),
    ("date", ["2026-01-02", None], [date(2026, 1, 2), None]),
    ("text[]", [["a", "b"], [], None], [["a", "b"], [], None]),
    ("jsonb", [{"a": [1, None]}, "x", None], ['{"a":[1,null]}', '"x"', None]),
    ("uuid", ["A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11"], ["a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"]),
    (
        "timestamptz",
        ["2011-04-22T13:33:48Z", "2022-06-09T16:29:31.871-0700", None, "2026-01-01T00:00:00.1234567+05:30"],
        [
            datetime(2011, 4, 22, 13, 33, 48, tzinfo=UTC),
            datetime(2022, 6, 9, 23, 29, 31, 871_000, tzinfo=UTC),
            None,
            datetime(2025, 12, 31, 18, 30, 0, 123_456, tzinfo=UTC),
        ],
    ),
]
UNFIT: list[tuple[str, Any]] = [
    ("text", 1), ("text", ["a"]), ("text", "a\0b"), ("bool", 1), ("bool", "true"), ("int4", 2**31), ("int4", True),
    ("int4", 1.5), ("int4", "1"), ("int8", 2**63), ("float8", True), ("float8", "1"), ("numeric", "one"),
    ("numeric", True), ("date", "2026-13-01"), ("date", "2026-01-02T00:00:00Z"), ("date", 20260102),
    ("timestamptz", "2026-01-02T03:04:05"), ("timestamptz", "soon"), ("timestamptz", 1700000000), ("text[]", "abc"),
    ("text[]", [1]), ("text[]", ["a\0"]), ("jsonb", {"a": "\0"}), ("uuid", "x"),
]  # fmt: skip


@pytest.mark.parametrize(("type_name", "values", "converted"), FITTING)
def test_values_become_their_type(type_name: str, values: list[Any], converted: list[Any]) -> None:
    array = convert(values, BY_SQL_NAME[type_name])
    assert array.type == BY_SQL_NAME[type_name].arrow
    assert array.to_pylist() == converted


@pytest.mark.parametrize(("type_name", "value"), UNFIT)
def test_what_does_not_fit_is_refused_without_showing_it(type_name: str, value: Any) -> None:
    table = things(Column(name="thing", type_name=type_name, path="thing"))
    decoder = RowDecoder(table, ("thing",))
    with pytest.raises(Fatal) as raised:
        decoder.batch([{"thing": value, "id": 1}])
    assert raised.value.message == f"a value of things.thing does not fit type {type_name}"
    assert str(raised.value.detail).startswith("The source sent ")
    assert raised.value.sqlstate == "HV000"
    assert raised.value.__cause__ is None
    assert raised.value.__suppress_context__ is True


def test_an_escaped_backslash_before_u0000_is_no_nul() -> None:
    assert convert([{"a": "\\u0000"}], BY_SQL_NAME["jsonb"]).to_pylist() == ['{"a":"\\\\u0000"}']


@given(
    st.sampled_from([name for name, _, _ in FITTING]),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
        max_leaves=5,
    ),
)
def test_any_json_either_converts_or_is_unfit(type_name: str, value: Any) -> None:
    try:
        array = convert([value], BY_SQL_NAME[type_name])
    except Unfit:
        return
    assert array.type == BY_SQL_NAME[type_name].arrow
    assert len(array) == 1


def things(*columns: Column) -> Table:
    key = Column(name="id", type_name="int8", path="id")
    return Table(
        name="things",
        description="",
        columns=(key, *columns),
        primary_key=("id",),
        access_paths=(AccessPath(name="all", request="GET /things"),),
    )


def test_a_batch_has_the_columns_asked_for_in_their_order() -> None:
    table = things(
        Column(name="owner", type_name="text", path="owner.login"),
        Column(name="extra", type_name="int4", path="size", hydrate="detail"),
    )
    row: dict[str, object] = {"id": 7, "owner": {"login": "ada"}}
    attach(row, "detail", {"size": 3})
    batch = RowDecoder(table, ("extra", "id", "owner")).batch([row, {"id": 8, "owner": None}])
    assert batch.schema.names == ["extra", "id", "owner"]
    assert batch.to_pylist() == [{"extra": 3, "id": 7, "owner": "ada"}, {"extra": None, "id": 8, "owner": None}]


def test_a_batch_without_columns_counts_its_rows() -> None:
    batch = RowDecoder(things(), ()).batch([{"id": 1}, {"id": 2}])
    assert isinstance(batch, pa.RecordBatch)
    assert (batch.num_rows, batch.num_columns) == (2, 0)


def test_paths_find_what_is_there_and_none_elsewhere() -> None:
    row: dict[str, object] = {"a": {"b": 1, "x y": 2}, "l": [{"n": 1, "m": [{"o": 5}]}, {"n": None}], "t": "x"}
    assert path("a.b")(row) == 1
    assert path("a['x y']")(row) == 2
    assert path("l[*].n")(row) == [1, None]
    assert path("l[*].m[*].o")(row) == [[5], None]
    assert path("")(row) is row
    assert path("a.b.c")(row) is None
    assert path("t[*].x")(row) is None
    assert path("zz.y")(row) is None
    for wrong in (".a", "a..b", "a[0]", "a['x", "a b"):
        with pytest.raises(ManifestInvalid):
            path(wrong)


def test_functions_over_paths() -> None:
    row: dict[str, object] = {"u": "https://x/issues/12", "n": "10001", "pr": {}, "none": None}
    assert matched("u", r"/issues/(\d+)$")(row) == "12"
    assert matched("none", r"(.)")(row) is None
    assert number(matched("u", r"/issues/(\d+)$"))(row) == 12
    assert number("n")(row) == 10001
    assert number("u")(row) == "https://x/issues/12"
    assert (present("pr")(row), present("none")(row), present("gone")(row)) == (True, False, False)
    assert first_of("none", "n")(row) == "10001"


def test_a_document_becomes_its_text() -> None:
    def text(value: str) -> dict[str, Any]:
        return {"type": "text", "text": value}

    document = {
        "type": "doc",
        "content": [
            {"type": "paragraph", "content": [text("Hello "), text("world"), {"type": "hardBreak"}, text("again")]},
            {"type": "bulletList", "content": [
                {"type": "listItem", "content": [{"type": "paragraph", "content": [text("one")]}]},
                {"type": "listItem", "content": [{"type": "paragraph", "content": [
                    {"type": "mention", "attrs": {"id": "5b", "text": "@ada"}}]}]},
            ]},
        ],
    }  # fmt: skip
    assert adf_text("d")({"d": document}) == "Hello world\nagain\none\n@ada"
    assert adf_text("d")({"d": None}) is None
    assert adf_text("d")({"d": "plain"}) == "plain"


LENIENT = replace(
    things(
        Column(name="size", type_name="int4", path="a.size"),
        Column(name="tags", type_name="text[]", path="tags"),
        Column(name="state", type_name="text", path="state", nullable=False),
    ),
    misfits_are_null=True,
)


def test_what_does_not_fit_is_null_and_counted_where_the_table_says_so() -> None:
    rows: list[dict[str, object]] = [
        {"id": 1, "a": {"size": 3}, "tags": ["x"], "state": "open"},
        {"id": 2, "a": {"size": "secret"}, "tags": ["x", 7], "state": "open"},
        {"id": 3, "a": {"size": 2**40}, "tags": None, "state": "open"},
    ]
    decoded = RowDecoder(LENIENT, ("id", "size", "tags", "state")).decoded(rows)
    assert decoded.batch.column("size").to_pylist() == [3, None, None]
    assert decoded.batch.column("tags").to_pylist() == [["x"], None, None]
    assert decoded.batch.column("id").to_pylist() == [1, 2, 3]
    assert decoded.misfits == (
        Misfit(column="size", count=2, example="a.size, row 2 of its page"),
        Misfit(column="tags", count=1, example="tags, row 2 of its page"),
    )
    assert RowDecoder(LENIENT, ("id", "size")).decoded(rows[:1]).misfits == ()


@pytest.mark.parametrize("column", ["id", "state", "size"])
def test_a_key_a_value_that_is_never_null_and_what_was_asked_by_always_fit(column: str) -> None:
    row: dict[str, object] = {"id": 1, "a": {"size": 3}, "state": "open"}
    spoiled = {**row, column: 1.5, "a": {"size": 1.5}} if column == "size" else {**row, column: 1.5}
    with pytest.raises(Fatal, match=rf"a value of things\.{column} does not fit"):
        RowDecoder(LENIENT, ("id", "size", "state")).decoded([row, spoiled], compared={"size"})


def test_misfits_are_added_up_by_column() -> None:
    first, second = Misfit(column="a", count=1, example="x"), Misfit(column="a", count=2, example="y")
    other = Misfit(column="b", count=1, example="z")
    assert added([first], [other, second]) == (Misfit(column="a", count=3, example="x"), other)
    assert of_columns([first, other], ["b", "c"]) == (other,)


def test_a_value_whose_surroundings_are_of_another_kind_is_a_misfit_and_not_null() -> None:
    table = things(Column(name="owner", type_name="text", path="owner.login"))
    for owner in (None, {}, {"login": None}):
        assert RowDecoder(table, ("owner",)).batch([{"id": 1, "owner": owner}]).to_pylist() == [{"owner": None}]
    wrong: list[object] = ["ada", 7, ["ada"]]
    for each in wrong:
        with pytest.raises(Fatal, match=r"things\.owner does not fit"):
            RowDecoder(table, ("owner",)).batch([{"id": 1, "owner": each}])
    row: dict[str, object] = {"u": 7, "l": "x", "o": {"a": 1}, "t": "text", "parts": ["a", 7], "d": {"no": "type"}}
    assert joined("parts")(row) is MISFIT
    assert adf_text("d")(row) is MISFIT
    assert (matched("t", r"(\d)")(row), matched("t", r"(\d)", always=True)(row)) == (None, MISFIT)
    for extract in (matched("u", r"(\d)"), joined("u"), column_path("l[*].x"), first_of("u.x", "none"), present("u.x")):
        assert extract(row) is MISFIT
    assert first_of("u.x", "t")(row) == "text"
