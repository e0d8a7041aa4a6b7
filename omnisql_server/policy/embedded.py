"""The engine in this process: `rego/omnisql.rego`, compiled by regorus, with the data of a policy file."""

from __future__ import annotations

import json
import threading
from collections import OrderedDict
from collections.abc import Mapping
from importlib import resources
from typing import Any

import regorus

from omnisql_server.errors import PolicyUndecided
from omnisql_server.policy.narrowed import Resources, narrowed, resources_of

DECISION = "data.omnisql.decision"
MODULE = "omnisql.rego"
SECTIONS = ("denials", "row_filters", "masks")
MACHINES_MAX = 256
"""Sets of tables and columns with machines of their own, in a thread; the one asked about longest ago goes first."""
STEPS_EXCEEDED = "maximum instruction limit"
"""What regorus says when an evaluation takes more steps than it allows, 25,000 in version 0.13."""
STEPS_EXPECTED_MAX = 16_000
"""Rules and questions are divided before an evaluation fails, which takes far longer than one that does not."""
RULE_STEPS, TABLE_STEPS, COLUMN_STEPS, VALUE_STEPS, NODE_STEPS = 90, 75, 20, 15, 160
"""What a rule takes: for itself, a table that it is about, a column it masks there, whom it names, a part of a tree."""


class EmbeddedEngine:
    """Decides by the rules of one policy. A machine of regorus belongs to a thread, so that each thread has its own.

    For each set of tables and columns there are machines with the rules that may concern them alone. As an evaluation
    has a bound of steps, many rules are divided among some machines.
    """

    def __init__(self, data: Mapping[str, Any]) -> None:
        self._data = data
        self._thread = threading.local()
        self._program()

    async def evaluate(self, document: Mapping[str, Any]) -> Any:
        """Return the decision document for an input."""
        return self.evaluate_now(document)

    async def close(self) -> None:
        """Have nothing to close."""

    def evaluate_now(self, document: Mapping[str, Any]) -> Any:
        """Return the decision document for an input, in some tenths of a millisecond.

        Raises:
            PolicyUndecided: 42501, the evaluation failed.
        """
        machines = self._machines(resources_of(document))
        answers = [self._evaluated(machine, steps, document) for machine, steps in machines]
        return answers[0] if len(answers) == 1 else _joined([(0, answer) for answer in answers], halves=False)

    def _evaluated(self, machine: regorus.Rvm, steps: int, document: Mapping[str, Any]) -> Any:
        parts = _halves(document) if steps > STEPS_EXPECTED_MAX else None
        if parts is not None:
            return _joined([(first, self._evaluated(machine, steps // 2, part)) for first, part in parts])
        try:
            machine.set_input_json(json.dumps(document))
            return json.loads(machine.execute_entry_point(DECISION))
        except (RuntimeError, ValueError) as error:
            parts = _halves(document) if STEPS_EXCEEDED in str(error) else None
            if parts is None:
                raise _failed(error) from error
            return _joined([(first, self._evaluated(machine, steps // 2, part)) for first, part in parts])
        except BaseException as error:
            # A panic of the engine is no Exception.
            if type(error).__module__ != "pyo3_runtime":
                raise
            raise _failed(error) from error

    def _machines(self, resources: Resources) -> list[tuple[regorus.Rvm, int]]:
        """Return machines for some tables and columns, each with the steps that its rules are expected to take."""
        known: OrderedDict[Resources, list[tuple[regorus.Rvm, int]]] = self._thread.__dict__.setdefault(
            "machines", OrderedDict()
        )
        machines = known.get(resources)
        if machines is None:
            machines = known[resources] = []
            for part, steps in _divided(narrowed(self._data, resources)):
                machine = regorus.Rvm()
                machine.load_program(self._program())
                machine.set_data_json(json.dumps({"omnisql_policies": part}))
                machines.append((machine, steps))
            if len(known) > MACHINES_MAX:
                known.popitem(last=False)
        known.move_to_end(resources)
        return machines

    def _program(self) -> regorus.Program:
        program = self._thread.__dict__.get("program")
        if program is None:
            program = regorus.Program.compile_from_modules("{}", [(MODULE, decision_source())], [DECISION])
            self._thread.program = program
        return program


def decision_source() -> str:
    """Return the module that decides."""
    return (resources.files("rego") / MODULE).read_text(encoding="utf-8")


def _divided(data: Mapping[str, Any]) -> list[tuple[dict[str, Any], int]]:
    """Divide the rules of a policy, in their order, each part with its steps; one without rules is one part too."""
    parts: list[tuple[list[tuple[str, Any]], int]] = [([], 0)]
    for name, rule in ((section, rule) for section in SECTIONS for rule in data.get(section, ())):
        steps = _steps(rule)
        rules, taken = parts[-1]
        if rules and taken + steps > STEPS_EXPECTED_MAX:
            parts.append(([(name, rule)], steps))
        else:
            parts[-1] = ([*rules, (name, rule)], taken + steps)
    # What is no section of the data is none of the parts either: the decision looks for them.
    sections = [name for name in SECTIONS if name in data]
    return [
        ({**data, **{name: [rule for of, rule in rules if of == name] for name in sections}}, steps)
        for rules, steps in parts
    ]


def _steps(rule: Mapping[str, Any]) -> int:
    """Expect what a rule takes whose patterns are replaced by names, as measured and rounded up."""
    named = sum(1 + len(values) for who in ("subjects", "exempt") for values in rule[who].values())
    tree = _nodes(rule["rows"]) if "rows" in rule and "node" not in rule else 0
    steps = RULE_STEPS + VALUE_STEPS * named + NODE_STEPS * tree
    for target in rule["targets"]:
        columns = len(target["columns"]) + len(target["columns_if_used"])
        steps += len(target["tables"]) * (TABLE_STEPS + COLUMN_STEPS * columns)
    return steps


def _nodes(rows: Mapping[str, Any]) -> int:
    return 1 + sum(_nodes(part) for part in rows.get("parts", ()))


def _halves(document: Mapping[str, Any]) -> list[tuple[int, dict[str, Any]]] | None:
    """Divide a question that takes too many steps, None where it cannot be: each half with its first table's index.

    Tables are decided each by itself, and so are the columns of one.
    """
    resources = document["action"]["filterResources"]
    if len(resources) > 1:
        middle = len(resources) // 2
        return [(0, _about(document, resources[:middle])), (middle, _about(document, resources[middle:]))]
    table = resources[0]["table"] if resources else {"columns": []}
    columns = table["columns"]
    if len(columns) < 2:
        return None
    middle = len(columns) // 2
    return [
        (0, _about(document, [{"table": {**table, "columns": half}}])) for half in (columns[:middle], columns[middle:])
    ]


def _about(document: Mapping[str, Any], resources: list[Any]) -> dict[str, Any]:
    return {**document, "action": {**document["action"], "filterResources": resources}}


def _joined(answers: list[tuple[int, Any]], *, halves: bool = True) -> Any:
    """Join decisions; what is said of a table in two `halves` of a question is said once."""
    joined: dict[str, Any] = {"allow": True, "revision": "", "denyReasons": [], "rowFilters": [], "columnMasks": []}
    for first, answer in answers:
        joined["allow"] = joined["allow"] and answer["allow"]
        joined["revision"] = answer["revision"]
        for name in ("denyReasons", "rowFilters", "columnMasks"):
            moved = [{**entry, "index": entry["index"] + first} for entry in answer[name]]
            joined[name] += [entry for entry in moved if not halves or entry not in joined[name]]
    return joined


def _failed(error: BaseException) -> PolicyUndecided:
    """Make the error of an evaluation; what the engine says beyond its first line is a trace."""
    return PolicyUndecided(
        message="POLICY_UNDECIDED: policy could not be evaluated, so the statement is denied",
        detail=(str(error).splitlines() or [type(error).__name__])[0],
        hint="tell the operator of the server",
    )
