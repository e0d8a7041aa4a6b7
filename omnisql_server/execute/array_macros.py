"""Lists as PostgreSQL's arrays of one dimension. Constant SQL."""

from __future__ import annotations

_POSITIONS = """
CREATE MACRO omnisql_a_positions(a, x) AS CASE WHEN a IS NOT NULL THEN
    list_transform(list_filter(range(1, len(a) + 1), lambda i : a[i] IS NOT DISTINCT FROM x), lambda i : i::INTEGER) END
"""

_EVERY = """
CREATE MACRO omnisql_a_every(a, x) AS CASE
    WHEN a IS NULL THEN NULL WHEN len(a) = 0 THEN true WHEN x IS NULL THEN NULL
    WHEN len(list_filter(a, lambda e : e <> x)) > 0 THEN false
    WHEN len(list_filter(a, lambda e : e IS NULL)) > 0 THEN NULL ELSE true END
"""

_TEXT = """
CREATE MACRO omnisql_a_text(a, sign) AS CASE WHEN a IS NOT NULL AND sign IS NOT NULL THEN
    coalesce(array_to_string(list_filter(a, lambda e : e IS NOT NULL), sign), '') END
"""

_TEXT_WITH = """
CREATE MACRO omnisql_a_text_with(a, sign, filler) AS CASE WHEN a IS NOT NULL AND sign IS NOT NULL THEN
    omnisql_a_text(list_transform(a, lambda e : coalesce(e, filler)), sign) END
"""

_SPLIT = """
CREATE MACRO omnisql_a_split(x, sign) AS CASE WHEN x IS NULL THEN NULL WHEN x = '' THEN []::VARCHAR[]
    WHEN sign IS NULL THEN string_split(x, '') WHEN sign = '' THEN [x] ELSE string_split(x, sign) END
"""

_CONTAINS = """
CREATE MACRO omnisql_a_contains(a, b) AS CASE WHEN a IS NULL OR b IS NULL THEN NULL
    WHEN len(list_filter(b, lambda e : e IS NULL)) > 0 THEN false
    ELSE list_has_all(list_filter(a, lambda e : e IS NOT NULL), b) END
"""

_OVERLAPS = """
CREATE MACRO omnisql_a_overlaps(a, b) AS CASE WHEN a IS NULL OR b IS NULL THEN NULL
    ELSE list_has_any(list_filter(a, lambda e : e IS NOT NULL), list_filter(b, lambda e : e IS NOT NULL)) END
"""

_ANY = """
CREATE MACRO omnisql_a_{name}(a, x) AS CASE
    WHEN a IS NULL THEN NULL WHEN len(a) = 0 THEN false WHEN x IS NULL THEN NULL
    WHEN len(list_filter(a, lambda e : {fits})) > 0 THEN true
    WHEN len(list_filter(a, lambda e : e IS NULL)) > 0 THEN NULL ELSE false END
"""
"""Whether some element fits a value; with a null that none does is not known."""

ARRAY_MACROS = (
    "CREATE MACRO omnisql_a_cardinality(a) AS len(a)::INTEGER",
    "CREATE MACRO omnisql_a_length(a) AS nullif(len(a), 0)::INTEGER",
    "CREATE MACRO omnisql_a_lower(a) AS CASE WHEN len(a) > 0 THEN 1 END",
    "CREATE MACRO omnisql_a_cat(a, b) AS CASE WHEN a IS NULL THEN b WHEN b IS NULL THEN a ELSE list_concat(a, b) END",
    "CREATE MACRO omnisql_a_append(a, x) AS omnisql_a_cat(a, [x])",
    "CREATE MACRO omnisql_a_prepend(x, a) AS omnisql_a_cat([x], a)",
    "CREATE MACRO omnisql_a_remove(a, x) AS list_filter(a, lambda e : e IS DISTINCT FROM x)",
    "CREATE MACRO omnisql_a_replace(a, x, y) AS "
    "list_transform(a, lambda e : CASE WHEN e IS NOT DISTINCT FROM x THEN y ELSE e END)",
    "CREATE MACRO omnisql_a_position(a, x) AS nullif(list_position(a, x), 0)::INTEGER",
    _POSITIONS,
    _EVERY,
    _TEXT,
    _TEXT_WITH,
    _SPLIT,
    "CREATE MACRO omnisql_a_split_null(x, sign, nothing) AS "
    "list_transform(omnisql_a_split(x, sign), lambda e : nullif(e, nothing))",
    _CONTAINS,
    _OVERLAPS,
    _ANY.format(name="any", fits="e = x"),
    _ANY.format(name="like", fits=r"x LIKE e ESCAPE '\'"),
    _ANY.format(name="unlike", fits=r"NOT x LIKE e ESCAPE '\'"),
    "CREATE MACRO omnisql_a_slice(a, first, last) AS CASE WHEN a IS NOT NULL THEN "
    "list_filter(a, lambda e, i : i BETWEEN first AND last) END",
    "CREATE MACRO omnisql_a_sorted(a) AS list_sort(a, 'ASC', 'NULLS LAST')",
    "CREATE MACRO omnisql_a_dims(a) AS CASE WHEN len(a) > 0 THEN '[1:' || len(a)::VARCHAR || ']' END",
    "CREATE MACRO omnisql_a_filled(x, size) AS list_transform(range(size), lambda i : x)",
    "CREATE MACRO omnisql_a_trimmed(a, n) AS CASE WHEN n BETWEEN 0 AND len(a) THEN omnisql_a_slice(a, 1, len(a) - n) "
    "WHEN a IS NOT NULL AND n IS NOT NULL THEN error('number of elements to trim') END",
)
"""In the order in which they are made."""
