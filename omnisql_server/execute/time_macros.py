"""Moments and their fields as PostgreSQL shows them. Constant SQL.

`local` is a moment as the clocks of the session's time zone show it. What PostgreSQL answers otherwise, such as fields
of years before the first, is an error here: the statement is then executed by PostgreSQL.
"""

from __future__ import annotations

_OFFSET = """
CREATE MACRO omnisql_offset_text(seconds) AS
    CASE WHEN seconds < 0 THEN '-' ELSE '+' END || lpad((abs(seconds) // 3600)::VARCHAR, 2, '0')
    || CASE WHEN seconds % 3600 <> 0 THEN ':' || lpad((abs(seconds) // 60 % 60)::VARCHAR, 2, '0') ELSE '' END
    || CASE WHEN seconds % 60 <> 0 THEN ':' || lpad((abs(seconds) % 60)::VARCHAR, 2, '0') ELSE '' END
"""

TIME_MACROS = (
    "CREATE MACRO omnisql_near(local) AS CASE WHEN local IS NULL OR year(local) BETWEEN 1 AND 9999 THEN local "
    "ELSE error('a moment far off') END",
    _OFFSET,
    "CREATE MACRO omnisql_moment_text(moment, local) AS omnisql_near(local)::VARCHAR "
    "|| omnisql_offset_text((epoch_us(local) - epoch_us(moment)) // 1000000)",
    "CREATE MACRO omnisql_trunc_time(unit, moment, local) AS "
    "moment - to_microseconds(epoch_us(local) - epoch_us(date_trunc(unit, local)))",
    "CREATE MACRO omnisql_moved(moment, span) AS moment + span",
    "CREATE MACRO omnisql_passed(a, b) AS "
    "to_days(((epoch_us(a) - epoch_us(b)) // 86400000000)::INTEGER) "
    "+ to_microseconds((epoch_us(a) - epoch_us(b)) % 86400000000)",
    "CREATE MACRO omnisql_epoch(moment) AS omnisql_n_text(epoch_us(moment)::HUGEINT, 6)",
    "CREATE MACRO omnisql_epoch_date(day) AS (epoch_us(day::TIMESTAMP) // 1000000)::DECIMAL(38, 0)",
    "CREATE MACRO omnisql_epoch_between(a, b) AS omnisql_n_text((epoch_us(a) - epoch_us(b))::HUGEINT, 6)",
    "CREATE MACRO omnisql_second(local, scale) AS omnisql_n_text(microsecond(local)::HUGEINT, scale)",
    # The half is rounded away from the year 2000.
    "CREATE MACRO omnisql_rounded_us(us, unit) AS 946684800000000 + CASE WHEN us < 946684800000000 "
    "THEN -((946684800000000 - us + unit // 2) // unit * unit) "
    "ELSE (us - 946684800000000 + unit // 2) // unit * unit END",
    "CREATE MACRO omnisql_rounded(moment, unit) AS make_timestamp(omnisql_rounded_us(epoch_us(moment), unit))",
    "CREATE MACRO omnisql_rounded_zoned(moment, unit) AS make_timestamptz(omnisql_rounded_us(epoch_us(moment), unit))",
    "CREATE MACRO omnisql_make_date(y, m, d) AS CASE WHEN y BETWEEN 1 AND 9999 THEN make_date(y, m, d) "
    "WHEN y IS NOT NULL THEN error('a date far off') END",
    "CREATE MACRO omnisql_julian(day) AS (epoch_us(day::TIMESTAMP) // 86400000000 + 2440588)::DECIMAL(38, 0)",
    "CREATE MACRO omnisql_offset(moment, local, unit) AS "
    "trunc((epoch_us(local) - epoch_us(moment)) / (1000000.0 * unit))::DECIMAL(38, 0)",
    "CREATE MACRO omnisql_microsecond(local) AS microsecond(local)::DECIMAL(38, 0)",
    "CREATE MACRO omnisql_decade(local) AS (year(omnisql_near(local)) // 10)::DECIMAL(38, 0)",
    "CREATE MACRO omnisql_century(local) AS ((year(omnisql_near(local)) + 99) // 100)::DECIMAL(38, 0)",
)
"""In the order in which they are made; they use those of `macros`."""
