"""`omnisql policy`: compile, test, explain and compare policy files, without a server."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from cyclopts import App, Parameter

from omnisql_server.commands.policy_cases import cases_of, failures_of, question_from
from omnisql_server.commands.terminal import ExitCode, output
from omnisql_server.errors import ConfigurationInvalid, NotSupported
from omnisql_server.model.row_filter import Comparison, Condition, Connective
from omnisql_server.parse.tree import parse_query
from omnisql_server.policy.bundle import bundle_of
from omnisql_server.policy.decision import read_decision
from omnisql_server.policy.embedded import EmbeddedEngine
from omnisql_server.policy.rules import Rule, Rules, load_rules

policy = App(name="policy", help="Compile, test, explain and compare policy files.")


@policy.command(name="compile")
def compile_file(file: Path, /, *, bundle: Annotated[Path | None, Parameter(alias="-o")] = None) -> int:
    """Check a policy file, and write it as a bundle for OPA or show its data as JSON.

    Parameters
    ----------
    file
        YAML file of policies.
    bundle
        File to write the bundle (.tar.gz) to.
    """
    rules = load_rules(file)
    if bundle is None:
        output().print_json(json.dumps({"omnisql_policies": rules.data}))
    else:
        bundle.write_bytes(bundle_of(rules))
        output().print(f"{bundle}: revision {rules.revision}", markup=False)
    return ExitCode.OK


@policy.command(name="test")
def test_file(file: Path, /) -> int:
    """Run the tests of a policy file; exit code 1 if one fails.

    Parameters
    ----------
    file
        YAML file of policies with tests.
    """
    rules = load_rules(file)
    cases = cases_of(rules, str(file))
    engine = EmbeddedEngine(rules.data)
    failed = 0
    for case in cases:
        failures = failures_of(case, engine)
        failed += bool(failures)
        for failure in failures:
            output().print(f"FAILED {case.name}: {failure}", markup=False)
    output().print(f"{len(cases) - failed} of {len(cases)} tests passed", markup=False)
    return ExitCode.FAILED if failed or not cases else ExitCode.OK


@policy.command
def explain(
    user: str,
    sql: str,
    /,
    *,
    file: Path,
    attribute: Annotated[tuple[str, ...], Parameter(negative=())] = (),
) -> int:
    """Show what a policy file makes of a user's query, whose tables are written connector.table.

    Parameters
    ----------
    user
        Name that logs in.
    sql
        Query. Columns that a `*` stands for are not known here; masks by patterns are shown for named columns.
    file
        YAML file of policies.
    attribute
        Attribute of the user, as name=value or name=value,value; may be repeated.
    """
    rules = load_rules(file)
    parsed = parse_query(sql)
    tables = sorted({f"{r.schema}.{r.name}" for r in parsed.references if r.schema is not None})
    if not tables:
        raise NotSupported(message="the query names no table as connector.table", hint="write github.issues, say")
    reads = dict.fromkeys(tables, sorted(parsed.named_columns))
    question = question_from({"user": user, **_attributes(attribute)}, reads, "")
    decision = read_decision(EmbeddedEngine(rules.data).evaluate_now(question.document), len(question.resources))
    for index, resource in enumerate(question.resources):
        output().print(f"{resource.connector}.{resource.table}", markup=False)
        denials = [denial.policy for denial in decision.denials if denial.index in (None, index)]
        lines = [f"denied by {name}" for name in denials]
        lines += [f"rows by {rule.policy}: {condition_text(rule.condition)}" for rule in decision.filters[index]]
        lines += [f"{column} masked by {m.policy}: {m.kind}" for column, m in sorted(decision.masks[index].items())]
        for line in lines or ["as it is"]:
            output().print(f"  {line}", markup=False)
    return ExitCode.FAILED if decision.denials else ExitCode.OK


@policy.command
def diff(old: Path, new: Path, /) -> int:
    """Show which policies one file has and another has not, or has otherwise; exit code 1 if there are any.

    Parameters
    ----------
    old
        YAML file of policies.
    new
        The other file.
    """
    lines = list(_differences(load_rules(old), load_rules(new)))
    for line in lines:
        output().print(line, markup=False)
    return ExitCode.FAILED if lines else ExitCode.OK


def _differences(old: Rules, new: Rules) -> list[str]:
    lines: list[str] = []
    for section in ("row_filters", "masks", "denials", "purposes", "shares"):
        before, after = _by_name(getattr(old, section)), _by_name(getattr(new, section))
        for name in sorted(before.keys() | after.keys()):
            if name not in after:
                lines.append(f"- {section} {name}")
            elif name not in before:
                lines.append(f"+ {section} {name}")
            elif before[name] != after[name]:
                lines.append(f"~ {section} {name}: {', '.join(_changed(before[name], after[name]))}")
    return lines


def _by_name(rules: tuple[Rule, ...]) -> dict[str, list[Rule]]:
    named: dict[str, list[Rule]] = {}
    for rule in rules:
        named.setdefault(rule["name"], []).append(rule)
    return named


def _changed(before: list[Rule], after: list[Rule]) -> list[str]:
    if len(before) != len(after):
        return [f"{len(before)} rules become {len(after)}"]
    keys = {key for b, a in zip(before, after, strict=True) for key in b.keys() | a.keys() if b.get(key) != a.get(key)}
    return sorted(keys)


def _attributes(given: tuple[str, ...]) -> Mapping[str, Any]:
    attributes: dict[str, list[str]] = {}
    for pair in given:
        name, equals, values = pair.partition("=")
        if not name or not equals or name == "user":
            hint = "write name=value, or name=value,value"
            raise ConfigurationInvalid(message=f"{pair!r} is no attribute", hint=hint)
        attributes.setdefault(name, []).extend(values.split(","))
    return attributes


def condition_text(condition: Condition) -> str:
    """Write a condition for people."""
    if isinstance(condition, Comparison):
        return f"{condition.column} {condition.operator} {condition.value!r}"
    parts = [condition_text(part) for part in condition.parts]
    if condition.connective is Connective.NOT:
        return f"not ({parts[0]})"
    return "(" + f" {condition.connective} ".join(parts) + ")" if parts else str(condition.connective is Connective.ALL)
