"""Decisions of this folder's corpus, and random ones: regorus in this process and a real OPA server agree."""

from __future__ import annotations

import asyncio
import json
import random
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import settings
from installed_programs import opa_program
from opa_server import OpaServer, running_opa

from omnisql_server.policy.bundle import bundle_of
from omnisql_server.policy.decision import read_decision
from omnisql_server.policy.embedded import EmbeddedEngine
from omnisql_server.policy.question import OPERATION, READ_DERIVED, SHARE, Question, Resource
from omnisql_server.policy.rules import Rules, parse_rules
from omnisql_server.policy.server import ServerEngine

CORPUS = yaml.safe_load(Path(__file__).with_name("decisions.yaml").read_text(encoding="utf-8"))
RULES = parse_rules(CORPUS["policy"], "decisions.yaml")
REGO = Path(__file__).parents[3] / "rego"
FUZZING = settings.get_current_profile_name() == "fuzz"
RANDOM_QUESTIONS = 20_000 if FUZZING else 300
ENGINES = ("embedded", "server")


@pytest.fixture(scope="module")
def opa(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpaServer]:
    with running_opa(tmp_path_factory.mktemp("opa"), bundle_of(RULES)) as server:
        yield server


def question_of(case: dict[str, Any]) -> Question:
    asks = dict(case["as"])
    user = asks.pop("user")
    resources = []
    for name, columns in case["reads"].items():
        connector, _, table = name.partition(".")
        server = case.get("server", "main_1")
        resources.append(Resource(connector=connector, server=server, table=table, columns=tuple(columns)))
    attributes = tuple(sorted((name, tuple(values)) for name, values in asks.items()))
    return Question(
        tenant="acme",
        user=user,
        attributes=attributes,
        resources=tuple(resources),
        purpose=case.get("purpose", ""),
        operation=SHARE if case.get("shares") else READ_DERIVED if case.get("derived") else OPERATION,
    )


def asked(question: Question, engine: str, opa: OpaServer) -> Any:
    """Have an engine decide; an order that has no meaning is made one."""
    if engine == "embedded":
        return sorted_sets(EmbeddedEngine(RULES.data).evaluate_now(question.document))

    async def ask() -> Any:
        server = ServerEngine(opa.url, timeout_s=5.0)
        try:
            return await server.evaluate(question.document)
        finally:
            await server.close()

    return sorted_sets(asyncio.run(ask()))


def sorted_sets(answer: Any) -> Any:
    for document in ("denyReasons", "rowFilters", "columnMasks"):
        answer[document].sort(key=lambda entry: json.dumps(entry, sort_keys=True))
    return answer


def node(tree: Any) -> Any:
    """Write a tree of the corpus as UCAST."""
    if isinstance(tree, bool):
        return {"type": "compound", "operator": "and" if tree else "or", "value": []}
    for word, operator in (("all", "and"), ("any", "or"), ("not", "not")):
        if word in tree:
            parts = tree[word] if isinstance(tree[word], list) else [tree[word]]
            return {"type": "compound", "operator": operator, "value": [node(part) for part in parts]}
    return {"type": "field", **tree}


@pytest.mark.parametrize("case", CORPUS["cases"], ids=lambda case: case["name"])
@pytest.mark.parametrize("engine", ENGINES)
def test_a_case_is_decided_as_written(case: dict[str, Any], engine: str, opa: OpaServer) -> None:
    answer = asked(question_of(case), engine, opa)
    expected = case["expect"]
    assert [reason["policy"] for reason in answer["denyReasons"]] == expected.get("denials", [])
    assert answer["allow"] is expected.get("allow", not expected.get("denials"))
    filters = {entry["policy"]: entry["filter"] for entry in answer["rowFilters"]}
    assert filters == {name: node(tree) for name, tree in expected.get("filters", {}).items()}
    masks: dict[str, list[Any]] = {}
    for entry in answer["columnMasks"]:
        masks.setdefault(entry["column"], []).append(entry["mask"])
    assert {column: order(found) for column, found in masks.items()} == {
        column: order(found) for column, found in expected.get("masks", {}).items()
    }
    assert answer["revision"] == RULES.revision


def order(masks: list[Any]) -> list[Any]:
    return sorted(masks, key=lambda mask: json.dumps(mask, sort_keys=True))


def random_question(source: random.Random) -> Question:
    tables = [
        "hub.issues",
        "hub.pulls",
        "hub.users",
        "hub.pay",
        "tree.x",
        "deep.t",
        "hub.vault",
        "books.a_raw",
        "care.a",
    ]
    columns = ["email", "phone_x", "made_at", "amount", "note", "id", "odd.name", 'q"uote', "émail"]
    values = ["web", "api", "guests", "security", "finance", "*", "eu", 'a"b', "", "\u2028", "\\"]
    names = ["teams", "regions", "users", "level", "groups"]
    return Question(
        tenant="acme",
        user=source.choice(["eve", "root", "*", "\u00e9", 'x"y']),
        attributes=tuple(
            (name, tuple(source.sample(values, source.randrange(4)))) for name in names if source.random() < 0.5
        ),
        resources=tuple(
            Resource(
                connector=name.partition(".")[0],
                server=source.choice(["main", "mainly", "other"]),
                table=name.partition(".")[2],
                columns=tuple(source.sample(columns, source.randrange(5))),
            )
            for name in source.sample(tables, source.randrange(1, 4))
        ),
        purpose=source.choice(["", "billing", "support", "other"]),
        operation=source.choice([OPERATION, OPERATION, SHARE, READ_DERIVED]),
    )


async def test_random_questions_have_one_answer(opa: OpaServer) -> None:
    embedded = EmbeddedEngine(RULES.data)
    server = ServerEngine(opa.url, timeout_s=5.0)
    seed = random.SystemRandom().randrange(1 << 32) if FUZZING else 20_261_127
    source = random.Random(seed)
    try:
        for _ in range(RANDOM_QUESTIONS):
            question = random_question(source)
            here = sorted_sets(embedded.evaluate_now(question.document))
            there = sorted_sets(await server.evaluate(question.document))
            assert here == there, (seed, question)
            read_decision(here, len(question.resources))
    finally:
        await server.close()


def test_the_module_passes_its_own_tests() -> None:
    modules = [str(REGO / "omnisql.rego"), str(REGO / "omnisql_test.rego")]
    found = subprocess.run([str(opa_program()), "test", *modules], capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stdout
    assert found.stdout.startswith("PASS: ")
    strict = subprocess.run([str(opa_program()), "check", "--strict", modules[0]], capture_output=True, check=False)
    assert strict.returncode == 0, strict.stderr


def test_equal_policies_make_equal_bundles() -> None:
    assert bundle_of(RULES) == bundle_of(parse_rules(CORPUS["policy"], "again"))
    assert bundle_of(RULES) != bundle_of(Rules())
