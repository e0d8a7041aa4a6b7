"""Row filters of a policy file as data for the decision: trees of all, any and not over comparisons. Pure.

```yaml
all:
  - {column: repo, in: {attribute: teams, values: {web: [web-app]}}}   # of the principal, by a table of values
  - not: {column: label, equals: secret}
  - any: [{column: owner, equals: {attribute: users}}, {column: stars, at_least: 10}]
```
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

from omnisql_server.errors import ConfigurationInvalid
from omnisql_server.model.row_filter import SETS, TEXT_PARTS, Connective, FilterOperator
from omnisql_server.policy.reading import mapping, text, texts

DEPTH_MAX = 5
"""Levels of all, any and not: the decision has a function for each."""
LISTED = SETS | TEXT_PARTS
"""Operators that are compared with some values, of which one has to fit."""
_CONNECTIVES = {"all": Connective.ALL, "any": Connective.ANY, "not": Connective.NOT}
_OPERATORS = {
    "equals": FilterOperator.EQ,
    "not_equals": FilterOperator.NE,
    "less_than": FilterOperator.LT,
    "at_most": FilterOperator.LE,
    "greater_than": FilterOperator.GT,
    "at_least": FilterOperator.GE,
    "in": FilterOperator.IN,
    "not_in": FilterOperator.NOT_IN,
    "starts_with": FilterOperator.STARTS_WITH,
    "ends_with": FilterOperator.ENDS_WITH,
    "contains": FilterOperator.CONTAINS,
    "exists": FilterOperator.EXISTS,
}
# What the principal holds is one or more values.
_OF_ATTRIBUTE = {FilterOperator.EQ: FilterOperator.IN, FilterOperator.NE: FilterOperator.NOT_IN}


def condition_of(item: Any, where: str, depth: int = 0) -> dict[str, Any]:
    """Compile a tree.

    Raises:
        ConfigurationInvalid: F0000, it has an unknown part or too many levels.
    """
    item = mapping(item, where, {*_CONNECTIVES, *_OPERATORS, "column"})
    named = [key for key in item if key in _CONNECTIVES]
    if not named:
        return _comparison(item, where)
    if len(item) != 1:
        raise ConfigurationInvalid(message=f"{where}: {named[0]} stands alone", hint="put the others into it")
    if depth >= DEPTH_MAX:
        raise ConfigurationInvalid(message=f"{where}: it has more than {DEPTH_MAX} levels of all, any and not")
    key = named[0]
    inner = [item[key]] if key == "not" else item[key]
    if not isinstance(inner, list) or not inner:
        raise ConfigurationInvalid(message=f"{where}: {key} needs a list of conditions")
    return {
        "operator": _CONNECTIVES[key].value,
        "parts": [condition_of(part, f"{where}: {key}", depth + 1) for part in inner],
    }


def held_values(attribute: str, values: Any, column: str, *, prefix: bool, where: str) -> dict[str, Any]:
    """Compile a comparison of a column with what a table of values gives for a principal's attribute."""
    operator = FilterOperator.STARTS_WITH if prefix else FilterOperator.IN
    table = mapping(values, f"{where}: values", None)
    shown = {key: list(texts(entry, f"{where}: values")) for key, entry in table.items()}
    return {"operator": operator.value, "column": column, "attribute": attribute, "values": shown}


def literal(value: Any, where: str) -> Any:
    """Take a literal as JSON has it: dates and times become texts."""
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, str | bool | int) or (isinstance(value, float) and math.isfinite(value)):
        return value
    raise ConfigurationInvalid(message=f"{where}: a text, number, date or truth value is expected")


def _comparison(item: Mapping[str, Any], where: str) -> dict[str, Any]:
    column = text(item, "column", where)
    operators = [key for key in item if key in _OPERATORS]
    if len(operators) != 1:
        raise ConfigurationInvalid(
            message=f"{where}: column {column} needs one comparison", hint=f"one of {', '.join(_OPERATORS)}"
        )
    operator, value = _OPERATORS[operators[0]], item[operators[0]]
    where = f"{where}: {operators[0]}"
    if isinstance(value, dict):
        return _with_attribute(column, operator, value, where)
    if operator is FilterOperator.EXISTS and not isinstance(value, bool):
        raise ConfigurationInvalid(message=f"{where}: true or false is expected")
    if operator in LISTED:
        given = value if isinstance(value, list) else [value] if operator in TEXT_PARTS else None
        if not given:
            raise ConfigurationInvalid(message=f"{where}: a list of values is expected")
        return {"operator": operator.value, "column": column, "value": [literal(entry, where) for entry in given]}
    return {"operator": operator.value, "column": column, "value": literal(value, where)}


def _with_attribute(column: str, operator: FilterOperator, value: Any, where: str) -> dict[str, Any]:
    operator = _OF_ATTRIBUTE.get(operator, operator)
    if operator not in LISTED:
        raise ConfigurationInvalid(message=f"{where}: it is compared with a literal only")
    value = mapping(value, where, {"attribute", "values"})
    attribute = text(value, "attribute", where)
    compared: dict[str, Any] = {"operator": operator.value, "column": column, "attribute": attribute}
    if "values" in value:
        table = mapping(value["values"], f"{where}: values", None)
        compared["values"] = {key: list(texts(entry, f"{where}: values")) for key, entry in table.items()}
    return compared
