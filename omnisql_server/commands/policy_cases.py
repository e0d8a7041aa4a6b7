"""The tests that a policy file brings: who reads what, which policies are to hold, and which rows are to be seen.

```yaml
tests:
  - name: the web team sees its own issues
    as: {user: eve, teams: [web]}
    reads: {github.issues: [title, repo]}
    expect: {filters: [issues-by-team], masks: {title: redact}}
    shows: [{repo: web}]
    hides: [{repo: api}, {repo: null}]
```
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import pyarrow as pa

from connectors.sdk.table import Column, Table
from omnisql_server.errors import ConfigurationInvalid
from omnisql_server.materialize.row_filters import truth_of
from omnisql_server.model.row_filter import RowFilter, comparisons
from omnisql_server.plan.policy_filters import typed_filters
from omnisql_server.policy.decision import Decision, read_decision
from omnisql_server.policy.embedded import EmbeddedEngine
from omnisql_server.policy.question import Question, Resource
from omnisql_server.policy.reading import entries, mapping, text, texts
from omnisql_server.policy.rules import Rules

_KEYS = {"name", "as", "server", "reads", "expect", "shows", "hides"}
_EXPECTED = {"denials", "filters", "masks"}
# The first that fits: a truth value is a number to Python, and a moment a day.
_TYPES = ((bool, "bool"), (int, "int8"), (float, "float8"), (datetime, "timestamptz"), (date, "date"), (list, "text[]"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One test: a question, and what is to come of it; rows are of the only table that is read."""

    name: str
    question: Question
    expect: Mapping[str, Any]
    shows: tuple[Mapping[str, Any], ...]
    hides: tuple[Mapping[str, Any], ...]


def cases_of(rules: Rules, where: str) -> tuple[Case, ...]:
    """Read the tests of a policy file.

    Raises:
        ConfigurationInvalid: F0000, one of them is not written as a test.
    """
    return tuple(_case(item, f"{where}: tests") for item in rules.tests)


def question_from(who: Mapping[str, Any], reads: Mapping[str, Any], server: str) -> Question:
    """Write the question of a user with attributes who reads columns of tables, by `connector.table`."""
    resources = []
    for name, columns in reads.items():
        connector, _, table = name.partition(".")
        resources.append(Resource(connector=connector, server=server, table=table, columns=tuple(sorted(columns))))
    attributes = {name: tuple(sorted(values)) for name, values in who.items() if name != "user"}
    return Question(
        tenant="", user=who["user"], attributes=tuple(sorted(attributes.items())), resources=tuple(resources)
    )


def failures_of(case: Case, engine: EmbeddedEngine) -> list[str]:
    """Say in what a decision differs from what a test expects.

    Raises:
        ConfigurationInvalid: F0000, a filter cannot be applied to the rows of the test.
    """
    decision = read_decision(engine.evaluate_now(case.question.document), len(case.question.resources))
    found = {
        "denials": sorted(denial.policy for denial in decision.denials),
        "filters": sorted(rule.policy for rules in decision.filters for rule in rules),
        "masks": {column: mask.kind.value for masks in decision.masks for column, mask in masks.items()},
    }
    failures = [
        f"{key} are {found[key]}, not {wanted}"
        for key, given in case.expect.items()
        if found[key] != (wanted := sorted(given) if isinstance(given, list) else given)
    ]
    failures += [f"hides {dict(row)}" for row in case.shows if not _sees(decision, row)]
    failures += [f"shows {dict(row)}" for row in case.hides if _sees(decision, row)]
    return failures


def _case(item: Any, where: str) -> Case:
    item = mapping(item, where, _KEYS)
    where = f"{where}: {text(item, 'name', where)}"
    who = mapping(item.get("as"), f"{where}: as", None)
    text(who, "user", f"{where}: as")
    for name, values in who.items():
        if name != "user":
            texts(values, f"{where}: as: {name}")
    reads = mapping(item.get("reads"), f"{where}: reads", None)
    if not reads or not all(isinstance(columns, list) and name.count(".") == 1 for name, columns in reads.items()):
        raise ConfigurationInvalid(message=f"{where}: reads must give columns by connector.table")
    shows, hides = entries(item, "shows", where), entries(item, "hides", where)
    if (shows or hides) and len(reads) != 1:
        raise ConfigurationInvalid(message=f"{where}: rows are those of one table")
    expect = mapping(item.get("expect", {}), f"{where}: expect", _EXPECTED)
    if not expect and not shows and not hides:
        raise ConfigurationInvalid(message=f"{where}: it expects nothing", hint="give expect, shows or hides")
    return Case(
        name=item["name"],
        question=question_from(who, reads, item.get("server", "")),
        expect=expect,
        shows=tuple(mapping(row, f"{where}: shows", None) for row in shows),
        hides=tuple(mapping(row, f"{where}: hides", None) for row in hides),
    )


def _sees(decision: Decision, row: Mapping[str, Any]) -> bool:
    return not decision.denials and all(_passes(rule, row) for rule in decision.filters[0])


def _passes(rule: RowFilter, row: Mapping[str, Any]) -> bool:
    """Apply a filter to one row; its values, or what they are compared with where it has none, tell the types."""
    values = {column: row.get(column) for column in rule.columns}
    compared = {comparison.column: comparison.value for comparison in comparisons(rule.condition)}
    kinds = {name: _type_of(compared[name] if value is None else value) for name, value in values.items()}
    columns = tuple(Column(name=name, type_name=kind, path=name) for name, kind in kinds.items())
    table = Table(name="row", description="", columns=columns, primary_key=(), access_paths=())
    rows = pa.table({c.name: pa.array([values[c.name]], c.type.arrow) for c in columns})
    (typed,) = typed_filters(table, (rule,))
    return bool(truth_of(typed.condition, rows, table)[0].as_py())


def _type_of(value: Any) -> str:
    if isinstance(value, tuple):
        return _type_of(value[0])
    return next((name for kind, name in _TYPES if isinstance(value, kind)), "text")
