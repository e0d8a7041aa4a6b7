"""Functions of texts with PostgreSQL's edges: places before the first letter, empty separators, quotes. Constant SQL.

What PostgreSQL answers with an error ends in `error()` here: the statement is then executed by PostgreSQL.
"""

from __future__ import annotations

TEXT_MACROS = (
    "CREATE MACRO omnisql_truth(x, yes, no) AS CASE WHEN x THEN yes WHEN NOT x THEN no END",
    "CREATE MACRO omnisql_reverse(x) AS array_to_string(list_reverse(string_split(x, '')), '')",
    "CREATE MACRO omnisql_substring_from(x, start) AS substring(x, greatest(start, 1))",
    # A length of a text that ends before its first letter is 0, and never negative.
    "CREATE MACRO omnisql_substring(x, start, n) AS CASE WHEN x IS NULL OR start IS NULL OR n IS NULL THEN NULL "
    "WHEN n < 0 THEN error('negative length') "
    "ELSE substring(x, greatest(start::BIGINT, 1), greatest(start::BIGINT + n - greatest(start::BIGINT, 1), 0)) END",
    "CREATE MACRO omnisql_split_part(x, sign, place) AS CASE WHEN x IS NULL OR sign IS NULL OR place IS NULL THEN NULL "
    "WHEN place = 0 THEN error('field position must not be zero') "
    "WHEN sign = '' THEN CASE WHEN place IN (1, -1) THEN x ELSE '' END ELSE split_part(x, sign, place) END",
    "CREATE MACRO omnisql_overlay(x, other, start, n) AS CASE WHEN start < 1 THEN error('negative start') "
    "ELSE left(x, start - 1) || other || substring(x, greatest(start::BIGINT + n, 1)) END",
    "CREATE MACRO omnisql_lpad(x, width, fill) AS CASE WHEN width IS NULL OR fill IS NULL THEN NULL "
    "WHEN width <= 0 THEN left(x, 0) WHEN fill = '' THEN left(x, width) ELSE lpad(x, width, fill) END",
    "CREATE MACRO omnisql_rpad(x, width, fill) AS CASE WHEN width IS NULL OR fill IS NULL THEN NULL "
    "WHEN width <= 0 THEN left(x, 0) WHEN fill = '' THEN left(x, width) ELSE rpad(x, width, fill) END",
    "CREATE MACRO omnisql_chr(x) AS CASE WHEN x < 1 OR x > 1114111 THEN error('no letter') ELSE chr(x) END",
    "CREATE MACRO omnisql_bit_length(x) AS (8 * strlen(x))::INTEGER",
    "CREATE MACRO omnisql_f_read(x) AS CASE WHEN x IS NULL OR "
    r"regexp_full_match(x, '-?[0-9]{1,15}(\.[0-9]{1,15})?') THEN x ELSE error('no plain number') END",
    "CREATE MACRO omnisql_digits(x) AS CASE WHEN x IS NULL OR regexp_full_match(x, '[+-]?[0-9]{1,19}') THEN x "
    "ELSE error('no whole number') END",
    r"CREATE MACRO omnisql_quote_literal(x) AS CASE WHEN contains(x, '\') THEN 'E' ELSE '' END "
    r"|| '''' || replace(replace(x, '\', '\\'), '''', '''''') || ''''",
    "CREATE MACRO omnisql_quote_nullable(x) AS coalesce(omnisql_quote_literal(x), 'NULL')",
)
"""In the order in which they are made."""
