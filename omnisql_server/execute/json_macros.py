"""JSON texts put together from the texts of their parts. Constant SQL."""

from __future__ import annotations

JSON_MACROS = (
    "CREATE MACRO omnisql_j_array(parts) AS '[' || parts || ']'",
    "CREATE MACRO omnisql_j_object(parts) AS '{' || parts || '}'",
    "CREATE MACRO omnisql_j_pair(name, value) AS CASE WHEN name IS NULL THEN error('a field without a name') "
    "ELSE name || ': ' || value END",
)
"""In the order in which they are made."""
