"""The types of columns: what becomes of each in a foreign table, how it is read, and what is compared there. Pure.

A comparison is sent where it means the same in every PostgreSQL: texts by their bytes, whatever the collation.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import pyarrow as pa

from catalog.types import BY_OID, BY_SQL_NAME, PgType
from connectors.sdk.grades import EXACT, ranges, when
from connectors.sdk.scan import Operator, Value
from connectors.sdk.table import Grade, Pushdown

EPOCH_DAYS = 10_957
"""Days from 1970 to 2000, from which PostgreSQL counts."""

EPOCH_US = EPOCH_DAYS * 86_400_000_000
_INT32_MAX, _INT64_MAX = 2**31 - 1, 2**63 - 1

_READ_AS_TEXT = frozenset({"numeric", "uuid", "name", "char"})
_NUMBERS = frozenset({"numeric", "float8", "date", "timestamp", "timestamptz"})
_TEXTS = frozenset({"text", "varchar"})
_ELEMENTS = frozenset({"int2", "int4", "int8", "text", "varchar", "uuid"})


class NotCarried(ValueError):
    """A value that no column here can hold: infinity among times, an array of several dimensions."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """How columns of a type are read and compared.

    `type_name` is the type of the foreign table's column. `read` is put around the column where it is read, `compared`
    where it is compared, `cast` is the type that a literal is cast to. `sorted_as` is put around it where rows are
    sorted by it, None where they cannot be. `can_be` says of a key's value whether it is one of the type at all.
    """

    type_name: str
    read: str = "{}"
    compared: str = "{}"
    cast: str = ""
    sorted_as: str | None = None
    operators: Mapping[Operator, Pushdown] = field(default_factory=dict)
    can_be: Callable[[Value], bool] = lambda _: True

    @property
    def is_key(self) -> bool:
        """Say whether rows can be looked up by a value."""
        return Operator.IN in self.operators


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteType:
    """A column's type at the source, domains resolved; `oid` is the array's own where it is one.

    `category` is `pg_type.typtype`: b, e (enum), r (range), c (composite). `is_deterministic` says that the column's
    collation tells all different texts apart.
    """

    oid: int
    category: str = "b"
    is_deterministic: bool = True


def kind_of(remote: RemoteType, *, is_utf8: bool) -> Kind:
    """Return how columns of a type are read and compared; what has no counterpart is read as text.

    `is_utf8` is the encoding of the source: the order of bytes is that of characters' codes there only.
    """
    known = BY_OID.get(remote.oid)
    if known is None or known.name in {"bpchar", "json", "oid"}:
        # A char(n) is read without the blanks that fill it up.
        is_compared = remote.category == "e" or (known is not None and known.name == "bpchar")
        if known is not None and known.name == "json":
            return Kind(type_name="json", operators=_NULLS)
        as_text = "{}::pg_catalog.text"
        return Kind(
            type_name="text",
            read=as_text,
            compared=as_text,
            cast="pg_catalog.text",
            operators={**_NULLS, **_EQUALITY} if is_compared else _NULLS,
        )
    if known.element is not None:
        return _array(known)
    if known.name in _TEXTS:
        return _text(known.name, remote.is_deterministic, is_utf8)
    if known.name in {"int2", "int4", "int8"}:
        return _integer(known)
    if known.name in _NUMBERS:
        read = "{}::pg_catalog.text" if known.name in _READ_AS_TEXT else "{}"
        compared = {**_NULLS, **_EQUALITY, **ranges(EXACT)}
        return Kind(type_name=known.name, read=read, cast=known.sql_name, sorted_as="{}", operators=compared)
    if known.name == "bool":
        operators = {**_NULLS, **_EQUALITY}
        return Kind(type_name="bool", cast=known.sql_name, sorted_as="{}", operators=operators)
    if known.name == "uuid":
        return Kind(
            type_name="uuid",
            read="{}::pg_catalog.text",
            cast=known.sql_name,
            sorted_as="{}",
            operators={**_NULLS, **dict.fromkeys(_EQUALITY, when(_are_uuids, Grade.EXACT))},
            can_be=_is_uuid,
        )
    if known.name in _READ_AS_TEXT:
        return Kind(type_name="text", read="{}::pg_catalog.text", operators=_NULLS)
    return Kind(type_name=known.name, operators=_NULLS)


def _integer(known: PgType) -> Kind:
    compared = when(_are_integers, Grade.EXACT)
    operators = {**dict.fromkeys(_EQUALITY, compared), **ranges(compared)}
    # The widest of them takes literals that are out of the column's own range, and its operators use the same indexes.
    return Kind(
        type_name=known.name,
        cast="pg_catalog.int8",
        sorted_as="{}",
        operators={**_NULLS, **operators},
        can_be=_are_integers,
    )


def _text(name: str, is_deterministic: bool, is_utf8: bool) -> Kind:
    operators = {**_NULLS, **_EQUALITY, Operator.LIKE: when(_is_whole_pattern, Grade.EXACT)}
    if is_utf8:
        operators |= ranges(when(_is_text, Grade.EXACT))
    return Kind(
        type_name=name,
        # An index in the column's own collation serves equality where that is deterministic.
        compared="{}" if is_deterministic else _BY_BYTES,
        cast="pg_catalog.text",
        sorted_as=_BY_BYTES if is_utf8 else None,
        operators=operators,
    )


def _array(known: PgType) -> Kind:
    element = known.element or ""
    as_text = element in _READ_AS_TEXT
    return Kind(
        type_name=f"{element}[]",
        read="{}::pg_catalog.text[]" if as_text else "{}",
        cast=known.sql_name,
        operators={**_NULLS, Operator.CONTAINS: EXACT} if element in _ELEMENTS else _NULLS,
    )


def to_arrow(values: tuple[object, ...], type_name: str) -> pa.Array[Any]:
    """Convert the values of one column, as the driver gave them with the codecs of `connectors.postgres.dial`.

    Raises:
        NotCarried: a value has no counterpart here.
    """
    target = BY_SQL_NAME[type_name]
    convert = _CONVERTERS.get(target.element or target.name)
    try:
        if target.element is None:
            return pa.array(values if convert is None else [convert(each) for each in values], target.arrow)
        lists = values if convert is None else [_each(convert, value) for value in values]
        return pa.array(lists, target.arrow)
    except (pa.ArrowException, OverflowError, TypeError, ValueError) as error:
        raise NotCarried from error


def _each(convert: Callable[[Any], object], value: object) -> object:
    return [convert(each) for each in value] if isinstance(value, list) else value


def _day(days: int | None) -> int | None:
    if days in {_INT32_MAX, -_INT32_MAX - 1}:
        raise NotCarried
    return None if days is None else days + EPOCH_DAYS


def _moment(microseconds: int | None) -> int | None:
    if microseconds in {_INT64_MAX, -_INT64_MAX - 1}:
        raise NotCarried
    return None if microseconds is None else microseconds + EPOCH_US


def _interval(parts: tuple[int, int, int] | None) -> tuple[int, int, int] | None:
    if parts is None:
        return None
    months, days, microseconds = parts
    if months in {_INT32_MAX, -_INT32_MAX - 1}:
        raise NotCarried
    return months, days, microseconds * 1000


_CONVERTERS: dict[str, Callable[[Any], object]] = {
    "date": _day,
    "timestamp": _moment,
    "timestamptz": _moment,
    "interval": _interval,
}


def _is_uuid(value: Value) -> bool:
    try:
        UUID(str(value))
    except ValueError:
        return False
    return True


def _are_uuids(value: Value) -> bool:
    return all(each is None or _is_uuid(each) for each in (value if isinstance(value, tuple) else (value,)))


def _are_integers(value: Value) -> bool:
    listed = value if isinstance(value, tuple) else (value,)
    return all(each is None or (type(each) is int and abs(each) <= _INT64_MAX) for each in listed)


def _is_text(value: Value) -> bool:
    return isinstance(value, str)


def _is_whole_pattern(value: Value) -> bool:
    """Refuse a pattern whose last backslash escapes nothing, which is an error in PostgreSQL."""
    return isinstance(value, str) and (len(value) - len(value.rstrip("\\"))) % 2 == 0


_BY_BYTES = '{} COLLATE pg_catalog."C"'
_NULLS: dict[Operator, Pushdown] = {Operator.IS_NULL: EXACT, Operator.IS_NOT_NULL: EXACT}
_EQUALITY: dict[Operator, Pushdown] = {
    Operator.EQ: EXACT,
    Operator.NE: EXACT,
    Operator.IN: EXACT,
    Operator.NOT_IN: EXACT,
}
