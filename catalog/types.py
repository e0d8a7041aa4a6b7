"""PostgreSQL's types as used here: name, OIDs, and the Arrow type that carries a value between stages. Pure.

OIDs are those of PostgreSQL 18's `pg_type.dat`; they have not changed since the types were added.
"""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa

TIMESTAMPTZ_ARROW = pa.timestamp("us", tz="UTC")


@dataclass(frozen=True, slots=True, kw_only=True)
class PgType:
    """A PostgreSQL type.

    `name` is its `pg_type.typname`; `sql_name` the way it is written in SQL, schema-qualified; `length` is `typlen`
    in bytes, -1 for varying. `element` is the element's `typname` for an array, otherwise None. `arrow` carries its
    values: json, jsonb and uuid travel as text, numeric as text because a column's scale may vary from row to row.
    """

    name: str
    oid: int
    length: int
    arrow: pa.DataType
    element: str | None = None

    @property
    def sql_name(self) -> str:
        """Write the type so that no search_path can change its meaning."""
        if self.element is not None:
            return f"pg_catalog.{self.element}[]"
        return 'pg_catalog."char"' if self.name == "char" else f"pg_catalog.{self.name}"


def _scalar(name: str, oid: int, length: int, arrow: pa.DataType) -> PgType:
    return PgType(name=name, oid=oid, length=length, arrow=arrow)


_SCALARS = (
    _scalar("bool", 16, 1, pa.bool_()),
    _scalar("bytea", 17, -1, pa.binary()),
    _scalar("char", 18, 1, pa.string()),
    _scalar("name", 19, 64, pa.string()),
    _scalar("int8", 20, 8, pa.int64()),
    _scalar("int2", 21, 2, pa.int16()),
    _scalar("int4", 23, 4, pa.int32()),
    _scalar("text", 25, -1, pa.string()),
    _scalar("oid", 26, 4, pa.uint32()),
    _scalar("json", 114, -1, pa.string()),
    _scalar("float4", 700, 4, pa.float32()),
    _scalar("float8", 701, 8, pa.float64()),
    _scalar("bpchar", 1042, -1, pa.string()),
    _scalar("varchar", 1043, -1, pa.string()),
    _scalar("date", 1082, 4, pa.date32()),
    _scalar("time", 1083, 8, pa.time64("us")),
    _scalar("timestamp", 1114, 8, pa.timestamp("us")),
    _scalar("timestamptz", 1184, 8, TIMESTAMPTZ_ARROW),
    _scalar("interval", 1186, 16, pa.month_day_nano_interval()),
    _scalar("numeric", 1700, -1, pa.string()),
    _scalar("uuid", 2950, 16, pa.string()),
    _scalar("jsonb", 3802, -1, pa.string()),
)

_ARRAY_OIDS = {
    "bool": 1000,
    "bytea": 1001,
    "int2": 1005,
    "int4": 1007,
    "text": 1009,
    "varchar": 1015,
    "int8": 1016,
    "float4": 1021,
    "float8": 1022,
    "timestamp": 1115,
    "date": 1182,
    "timestamptz": 1185,
    "numeric": 1231,
    "uuid": 2951,
    "jsonb": 3807,
}

_BY_NAME = {scalar.name: scalar for scalar in _SCALARS}
_ARRAYS = tuple(
    PgType(name=f"_{element}", oid=oid, length=-1, arrow=pa.list_(_BY_NAME[element].arrow), element=element)
    for element, oid in _ARRAY_OIDS.items()
)

BY_OID: dict[int, PgType] = {known.oid: known for known in (*_SCALARS, *_ARRAYS)}
"""Every known type by its OID."""

BY_SQL_NAME: dict[str, PgType] = {**_BY_NAME, **{f"{array.element}[]": array for array in _ARRAYS}}
"""Every known type by the short name that connectors declare: `int8`, `timestamptz`, `text[]`."""

ARRAY_OF: dict[int, PgType] = {_BY_NAME[array.element or ""].oid: array for array in _ARRAYS}
"""The array type of an element OID."""
