"""The rows that all parties of `rows_to_client` serve: ten columns of mixed types, made from a seed, as Arrow batches.

Every column but the first has nulls; texts are partly beyond ASCII.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

BATCH_ROWS = 16_384
NULL_SHARE = 0.03

COLUMNS: tuple[tuple[str, str], ...] = (
    ("id", "int4"),
    ("amount", "int8"),
    ("title", "text"),
    ("author", "text"),
    ("label", "text"),
    ("score", "float8"),
    ("open", "bool"),
    ("created_at", "timestamp"),
    ("due_on", "date"),
    ("priority", "int2"),
)
"""Names and PostgreSQL types, in order."""

_WORDS = np.array(
    [
        "alpha",
        "bravo",
        "charlie",
        "delta",
        "écho",
        "foxtrot",
        "golf",
        "hôtel",
        "india",
        "juliett",
        "kilo",
        "lima",
        "量",
        "mike",
    ]
)
_LABELS = np.array(["bug", "feature", "question", "documentation", "good first issue", "won't fix"])


def make_batches(row_count: int, seed: int = 1) -> Iterator[pa.RecordBatch]:
    """Yield the rows in batches; the same seed and count give the same rows."""
    random = np.random.default_rng(seed)
    for start in range(0, row_count, BATCH_ROWS):
        yield _batch(random, start, min(BATCH_ROWS, row_count - start))


def _batch(random: np.random.Generator, start: int, count: int) -> pa.RecordBatch:
    numbers = pa.array(np.arange(start, start + count, dtype=np.int32))
    created_us = 1_600_000_000_000_000 + random.integers(0, 150_000_000, count) * 1_000_000
    created_us[::2] += random.integers(0, 1_000_000, len(created_us[::2]))
    columns = [
        numbers,
        _with_nulls(random, pa.array(random.integers(-(10**12), 10**12, count))),
        _with_nulls(random, _titles(random, numbers)),
        _with_nulls(random, _chosen(random, _WORDS, count)),
        _with_nulls(random, _chosen(random, _LABELS, count)),
        _with_nulls(random, pa.array(np.round(random.normal(0, 1000, count), 4))),
        _with_nulls(random, pa.array(random.random(count) < 0.5)),
        _with_nulls(random, pa.array(created_us).cast(pa.timestamp("us"))),
        _with_nulls(random, pa.array(random.integers(15_000, 22_000, count).astype(np.int32)).cast(pa.date32())),
        _with_nulls(random, pa.array(random.integers(-5, 100, count).astype(np.int16))),
    ]
    return pa.RecordBatch.from_arrays(columns, names=[name for name, _ in COLUMNS])


def _titles(random: np.random.Generator, numbers: pa.Array) -> pa.Array:
    first, second = _chosen(random, _WORDS, len(numbers)), _chosen(random, _WORDS, len(numbers))
    return pc.binary_join_element_wise("Issue", numbers.cast(pa.string()), "on", first, "and", second, " ")


def _chosen(random: np.random.Generator, choices: np.ndarray, count: int) -> pa.Array:
    return pa.array(choices[random.integers(0, len(choices), count)], pa.string())


def _with_nulls(random: np.random.Generator, column: pa.Array) -> pa.Array:
    return pc.if_else(pa.array(random.random(len(column)) >= NULL_SHARE), column, pa.scalar(None, column.type))
