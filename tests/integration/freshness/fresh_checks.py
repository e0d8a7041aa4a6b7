"""How answers are compared with the states that a source has had. Pure."""

from __future__ import annotations

from typing import Any

from fresh_source import Row
from fresh_world import Question

from connectors.sdk.scan import Predicate
from connectors.sdk.testing.reference import holds


def differs_by_vanished(part: list[Row], question: Question, state: list[Row], repo: str) -> bool:
    """Say whether rows are the answer to a question in a state, and beside it only some that are not there any more."""
    there = {one["id"] for one in state if one["repo"] == repo}
    answer = [one for one in question.answer(state) if one["repo"] == repo]
    return all(one in part for one in answer) and all(one in answer or one["id"] not in there for one in part)


def is_of_two(part: list[Row], answers: list[list[Row]]) -> bool:
    """Say whether rows are those of one state up to an id and those of a later one from there on."""
    for cut in range(17):
        first, rest = [one for one in part if one["id"] < cut], [one for one in part if one["id"] >= cut]
        begins = [at for at, answer in enumerate(answers) if [one for one in answer if one["id"] < cut] == first]
        ends = [at for at, answer in enumerate(answers) if [one for one in answer if one["id"] >= cut] == rest]
        if begins and ends and begins[0] <= ends[-1]:
            return True
    return False


def repositories(question: Question) -> set[str]:
    plain = (condition for condition in question.conditions if isinstance(condition, Predicate))
    conditions = [condition for condition in plain if condition.column == "repo"]
    return {repo for repo in "abc" if all(holds({"repo": repo}, condition) for condition in conditions)}


def without_limit(question: Question) -> dict[str, Any]:
    return {"conditions": question.conditions, "policy": question.policy, "table": question.table}
