"""Functions that every DuckDB instance has, for what means something else in DuckDB's own. Constant SQL.

What PostgreSQL answers with an error ends in `error()` here: the statement is then executed by PostgreSQL.
"""

from __future__ import annotations

from omnisql_server.execute.array_macros import ARRAY_MACROS
from omnisql_server.execute.json_macros import JSON_MACROS
from omnisql_server.execute.text_macros import TEXT_MACROS
from omnisql_server.execute.time_macros import TIME_MACROS

_NEWER_UPPER = "\u1c89\ua7cb\ua7cc\ua7da\ua7dc" + "".join(map(chr, range(0x10D50, 0x10D66)))
_NEWER_LOWER = "\u1c8a\u0264\ua7cd\ua7db\u019b" + "".join(map(chr, range(0x10D70, 0x10D86)))
"""Letters in two cases that Unicode has had since version 16: PostgreSQL 18 knows them, DuckDB 1.5 does not."""

_FIXED = """
CREATE MACRO omnisql_fixed(v, scale) AS
    CASE WHEN scale = 0 THEN v::VARCHAR
         ELSE (v // ('1' || repeat('0', scale))::HUGEINT)::VARCHAR || '.'
              || lpad((v % ('1' || repeat('0', scale))::HUGEINT)::VARCHAR, scale::INTEGER, '0') END
"""

INTEGER_MACROS = (
    "CREATE MACRO omnisql_floored(x, y) AS (x - ((x % y) + y) % y) // y",
    "CREATE MACRO omnisql_unsigned(x) AS CASE WHEN x < 0 THEN x::BIGINT + 4294967296 ELSE x::BIGINT END",
    "CREATE MACRO omnisql_to_hex(x) AS lower(to_base(omnisql_unsigned(x), 16))",
    "CREATE MACRO omnisql_to_bin(x) AS to_base(omnisql_unsigned(x), 2)",
    "CREATE MACRO omnisql_to_oct(x) AS to_base(omnisql_unsigned(x), 8)",
)

AGGREGATE_MACROS = (
    "CREATE MACRO omnisql_known(a) AS list_filter(a, lambda e : e IS NOT NULL)",
    "CREATE MACRO omnisql_percentile_disc(a, share) AS a[greatest(ceil(share * len(a))::BIGINT, 1)]",
    "CREATE MACRO omnisql_percentiles(a, found) AS CASE WHEN len(a) > 0 THEN found END",
    "CREATE MACRO omnisql_lerp(low, high, share) AS low + share * (high - low)",
    "CREATE MACRO omnisql_percentile_cont(a, share) AS CASE WHEN len(a) > 0 THEN "
    "omnisql_lerp(a[1 + floor(share * (len(a) - 1))::BIGINT]::DOUBLE, "
    "a[1 + ceil(share * (len(a) - 1))::BIGINT]::DOUBLE, "
    "share * (len(a) - 1) - floor(share * (len(a) - 1))) END",
    "CREATE MACRO omnisql_mode(counts) AS map_keys(counts)[list_position(map_values(counts), "
    "list_max(map_values(counts)))]",
)
"""Of sorted lists without nulls, and of the values' counts."""

MACROS = (
    "CREATE MACRO omnisql_div(x, y) AS CASE WHEN y = 0 THEN error('division by zero') ELSE x // y END",
    "CREATE MACRO omnisql_mod(x, y) AS CASE WHEN y = 0 THEN error('division by zero') ELSE x % y END",
    "CREATE MACRO omnisql_finite(r, x, y) AS "
    "CASE WHEN isinf(r) AND NOT isinf(x) AND NOT isinf(y) THEN error('overflow') ELSE r END",
    "CREATE MACRO omnisql_add(x, y) AS omnisql_finite(x + y, x, y)",
    "CREATE MACRO omnisql_sub(x, y) AS omnisql_finite(x - y, x, y)",
    "CREATE MACRO omnisql_mul(x, y) AS "
    "CASE WHEN x * y = 0 AND x <> 0 AND y <> 0 THEN error('underflow') ELSE omnisql_finite(x * y, x, y) END",
    "CREATE MACRO omnisql_quotient(x, y) AS "
    "CASE WHEN isnan(x) THEN x WHEN y = 0 THEN error('division by zero') "
    "WHEN x / y = 0 AND x <> 0 AND NOT isinf(y) THEN error('underflow') ELSE omnisql_finite(x / y, x, x) END",
    f"CREATE MACRO omnisql_lower(x) AS translate(lower(x), '{_NEWER_UPPER}', '{_NEWER_LOWER}')",
    # DuckDB makes the sharp s a capital one, which PostgreSQL leaves as it is.
    "CREATE MACRO omnisql_upper(x) AS array_to_string(list_transform(string_split(x, '\u00df'), "
    f"lambda part : translate(upper(part), '{_NEWER_LOWER}', '{_NEWER_UPPER}')), '\u00df')",
    _FIXED,
    "CREATE MACRO omnisql_f_sum(total, n, largest, negative) AS "
    "CASE WHEN NOT isfinite(total) AND isinf(largest * n) THEN error('overflow') "
    "WHEN total = 0 AND negative THEN '-0'::DOUBLE ELSE total END",
    "CREATE MACRO omnisql_f_size(x) AS CASE WHEN isfinite(x) THEN abs(x) END",
    "CREATE MACRO omnisql_f_minus_zero(x) AS x = 0 AND signbit(x)",
    # PostgreSQL sums squares beside, which overflow long before the sum.
    "CREATE MACRO omnisql_f_mean(total, n, largest) AS CASE WHEN n = 0 THEN NULL "
    "WHEN largest > 1e140 THEN error('overflow') ELSE total / n END",
    "CREATE MACRO omnisql_f_round(x) AS CASE WHEN x < 0 AND x >= -0.5 THEN '-0'::DOUBLE ELSE round_even(x, 0) END",
    "CREATE MACRO omnisql_n_text(units, scale) AS CASE WHEN units < 0 THEN '-' ELSE '' END "
    "|| omnisql_fixed(abs(units), scale)",
    *INTEGER_MACROS,
    *AGGREGATE_MACROS,
    *TEXT_MACROS,
    *TIME_MACROS,
    *ARRAY_MACROS,
    *JSON_MACROS,
)
"""In the order in which they are made."""
