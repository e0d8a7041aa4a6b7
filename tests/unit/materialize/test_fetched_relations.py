"""What a statement sees of fetched batches: filtered, masked, named as the catalog names it."""

from __future__ import annotations

import pyarrow as pa
import pytest
from authorized import shown_by

from connectors.sdk.table import AccessPath, Column, Table
from omnisql_server.materialize.relations import materialize
from omnisql_server.model.mask import Mask, MaskKind
from omnisql_server.model.plan import ScanPlan
from omnisql_server.model.query import Occurrence
from omnisql_server.model.relation import ROW_NUMBER, Attribute, Relation, RelationKind
from omnisql_server.model.row_filter import RowFilter

TYPES = {"id": "int8", "repo": "text", "doc": "jsonb", "labels": "text[]"}
TABLE = Table(
    name="t",
    description="",
    columns=tuple(Column(name=name, type_name=type_name, path=name) for name, type_name in TYPES.items()),
    primary_key=("id",),
    access_paths=(AccessPath(name="all", request="GET /"),),
)
RELATION = Relation(
    oid=1,
    schema="app",
    name="mine",
    kind=RelationKind.API,
    owner="x",
    attributes=tuple(
        Attribute(number=n, name=f"My {name}", type_oid=0, type_sql="", api_column=name)
        for n, name in enumerate(TYPES, 1)
    ),
)
ROWS = pa.record_batch(
    {
        "id": pa.array([1, 2, 3, 4], pa.int64()),
        "repo": ["web", "api", None, "web-app"],
        "doc": ["{}", None, "[]", "1"],
        "labels": pa.array([["a"], [], None, ["b"]], pa.list_(pa.string())),
    }
)


def rows_of(
    columns: tuple[str, ...],
    *,
    filters: tuple[RowFilter, ...] = (),
    masks: dict[str, str] | None = None,
    used: tuple[str, ...] | None = None,
    batches: tuple[pa.RecordBatch, ...] | None = None,
) -> pa.Table:
    plan = ScanPlan(
        scan_name="scan_0",
        relation=RELATION,
        table=TABLE,
        path=TABLE.access_paths[0],
        columns=columns,
        scans=(),
        filters=filters,
        masks={name: Mask(policy="p", kind=MaskKind(kind)) for name, kind in (masks or {}).items()},
    )
    names = tuple(f"My {name}" for name in (columns if used is None else used))
    occurrence = Occurrence(scan_name="scan_0", relation=RELATION, columns=names)
    given = (ROWS.select(columns),) if batches is None else batches
    return materialize(plan, occurrence, given, b"salt").rows


def only(*values: str, prefix: bool = False) -> RowFilter:
    return shown_by("repo", *values, prefix=prefix)


def test_columns_get_the_catalogs_names() -> None:
    assert rows_of(("id", "repo")).to_pydict() == {
        "My id": [1, 2, 3, 4],
        "My repo": ["web", "api", None, "web-app"],
    }


@pytest.mark.parametrize(
    ("filters", "ids"),
    [
        ((only("web"),), [1]),
        ((only("web", "api"),), [1, 2]),
        ((only(),), []),
        ((only("web", prefix=True),), [1, 4]),
        ((only("a", "web-", prefix=True),), [2, 4]),
        ((only(prefix=True),), []),
        ((only("web", "api"), only("api", "x")), [2]),
    ],
)
def test_rows_that_policy_hides_are_gone_and_null_is_hidden(filters: tuple[RowFilter, ...], ids: list[int]) -> None:
    assert rows_of(("id", "repo"), filters=filters, used=("id",)).column("My id").to_pylist() == ids


@pytest.mark.parametrize("filters", [(only(),), (only(prefix=True),), (only("web", prefix=True), only(prefix=True))])
def test_no_row_may_be_hidden_from_somebody_who_may_see_none(filters: tuple[RowFilter, ...]) -> None:
    none = (ROWS.select(["id", "repo"]).slice(0, 0),)
    assert rows_of(("id", "repo"), filters=filters, used=("id",), batches=none).column("My id").to_pylist() == []
    assert rows_of(("id", "repo"), filters=filters, used=("id",), batches=()).column("My id").to_pylist() == []


def test_masks_hide_values_and_keep_types() -> None:
    found = rows_of(("id", "repo", "doc", "labels"), masks={"repo": "redact", "doc": "redact", "labels": "redact"})
    assert found.column("My repo").to_pylist() == ["***", "***", None, "***"]
    assert found.column("My doc").to_pylist() == [None] * 4
    assert found.column("My labels").to_pylist() == [None] * 4
    assert found.schema.types == [pa.int64(), pa.string(), pa.string(), pa.list_(pa.string())]


def test_a_filter_sees_the_value_that_a_mask_hides() -> None:
    found = rows_of(("id", "repo"), filters=(only("api"),), masks={"repo": "null"})
    assert found.to_pydict() == {"My id": [2], "My repo": [None]}


def test_a_column_masked_to_null_need_not_be_fetched() -> None:
    found = rows_of(("id",), masks={"repo": "null"}, used=("id", "repo"))
    assert found.to_pydict() == {"My id": [1, 2, 3, 4], "My repo": [None] * 4}


def test_without_columns_the_number_of_rows_is_kept() -> None:
    bare = ROWS.select([])
    assert bare.num_rows == 4
    assert rows_of((), batches=(bare, bare)).to_pydict() == {ROW_NUMBER: list(range(8))}
    assert rows_of((), batches=(ROWS,)).num_rows == 4
    assert rows_of((), masks={"repo": "null"}, used=("repo",), batches=(bare,)).to_pydict() == {"My repo": [None] * 4}
    assert rows_of(("repo",), filters=(only("web"),), used=()).to_pydict() == {ROW_NUMBER: [0]}


def test_batches_of_another_order_or_width_are_brought_into_shape() -> None:
    batch = pa.record_batch({"repo": ["x"], "id": pa.array([7], pa.int32())})
    assert rows_of(("id", "repo"), batches=(batch,)).to_pydict() == {"My id": [7], "My repo": ["x"]}
    assert rows_of(("id", "repo"), batches=()).num_rows == 0
