"""Every function over jsonb answers what PostgreSQL answers, or fails where it does, over many documents."""

from __future__ import annotations

import json
import random
from typing import Any

import psycopg
import pytest

from omnisql_server.execute.json_functions import JSON_FUNCTIONS

SEED = 20261126
EDGES = (
    *(
        "null",
        "true",
        "false",
        "0",
        "-0",
        "-0.00",
        "1e1",
        "1.50",
        "1E-5",
        "10",
        "12e-1",
        '""',
        '"a"',
        '"\\u0001\\u007f"',
    ),
    *('"\\u00e9\\ud83d\\ude00"', '"\\/\\b\\f\\n\\r\\t\\"\\\\"', "[]", "{}", "[[]]", "[{}]", "[null]", '["a"]', "[1.0]"),
    *('{"b": 1, "a": 2, "aa": 1, "a": 3}', '{"a": null}', '{"a": [1, {"b": null}]}', "[1, 2, 2]", '{"": 1, "1": 2}'),
    *('{"a": {"b": {"c": 1}}}', '[["a"], "a"]', '{"é": 1, "z": 2, "zz": 3}', " [ 1 , 2 ] ", '["a", "b", "a"]'),
)
BROKEN = ("", "{", "[1,]", "01", "1.", "+1", "NaN", "Infinity", '"\\u0000"', '"\\ud800"', "'a'", '{"a"}', "1 2", '"\t"')
LEAVES = (None, True, False, 0, 1, -1, 2.5, 10, "", "a", "b", "ab", "é", "\n", "😀", '"', "1")
UNARY = {
    "omnisql_j_read": "a::text",
    "omnisql_j_kind": "jsonb_typeof(a)",
    "omnisql_j_length": "jsonb_array_length(a)::text",
    "omnisql_j_pretty": "jsonb_pretty(a)",
    "omnisql_j_without_nulls": "jsonb_strip_nulls(a)::text",
    "omnisql_j_number": "(a::numeric)::text",
    "omnisql_j_boolean": "(a::boolean)::text",
}
BINARY = {
    "omnisql_j_contains": "(a @> b)::text",
    "omnisql_j_joined": "(a || b)::text",
}
NAMED = {
    "omnisql_j_get": "(a -> b)::text",
    "omnisql_j_get_text": "a ->> b",
    "omnisql_j_has": "(a ? b)::text",
    "omnisql_j_without": "(a - b)::text",
}
PLACED = {
    "omnisql_j_at": "(a -> b)::text",
    "omnisql_j_at_text": "a ->> b",
    "omnisql_j_without_place": "(a - b)::text",
}
FOLLOWED = {
    "omnisql_j_path": "(a #> b)::text",
    "omnisql_j_path_text": "a #>> b",
    "omnisql_j_without_path": "(a #- b)::text",
    "omnisql_j_has_any": "(a ?| b)::text",
    "omnisql_j_has_all": "(a ?& b)::text",
}
PATHS: tuple[list[str], ...] = ([], ["a"], ["a", "b"], ["0"], ["-1", "0"], ["1", "a"], ["5"], ["a", "1", "b"], ["x"])


def document(chance: random.Random, depth: int = 0) -> Any:
    shape = chance.random()
    if depth > 2 or shape < 0.4:
        return chance.choice(LEAVES)
    if shape < 0.7:
        return [document(chance, depth + 1) for _ in range(chance.randrange(4))]
    return {
        chance.choice(("a", "b", "ab", "é", "1", "")): document(chance, depth + 1) for _ in range(chance.randrange(4))
    }


def documents(count: int) -> list[str]:
    print(f"seed {SEED}")
    chance = random.Random(SEED)
    return [*EDGES, *(json.dumps(document(chance), ensure_ascii=chance.random() < 0.5) for _ in range(count))]


def pairs(count: int) -> list[tuple[str, str]]:
    """Pair documents with others, some of which are parts of them."""
    texts, chance = documents(count), random.Random(SEED)
    found = [(text, chance.choice(texts)) for text in texts for _ in range(4)]
    for text in texts:
        value = json.loads(text)
        if isinstance(value, list | dict) and value:
            found.append((text, json.dumps(chance.choice(list(value.values()) if isinstance(value, dict) else value))))
    return found


class Prover:
    """Asks PostgreSQL for an expression over jsonb `a` and an argument `b`, the whole list in one statement."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._connection = connection
        connection.execute(
            b"CREATE OR REPLACE FUNCTION pg_temp.answer(form text, a jsonb, b text) RETURNS text LANGUAGE plpgsql AS "
            b"'DECLARE answer text; BEGIN EXECUTE form INTO answer USING a, b; RETURN answer; "
            b"EXCEPTION WHEN OTHERS THEN RETURN ''fails''; END'"
        )

    def truth(self, form: str, kind: str, cases: list[tuple[str, str]]) -> list[str | None]:
        asked = f"SELECT {form} FROM (SELECT $1 AS a, $2::{kind} AS b) x"
        rows = self._connection.execute(
            b"SELECT pg_temp.answer(%s, a::jsonb, b) FROM unnest(%s::text[], %s::text[]) WITH ORDINALITY u(a, b, i) "
            b"ORDER BY i",
            (asked, [a for a, _ in cases], [b for _, b in cases]),
        )
        return [row[0] for row in rows]


def found(name: str, *arguments: Any) -> str | None:
    try:
        return JSON_FUNCTIONS[name][0](*arguments)
    except ValueError:
        return "fails"


@pytest.fixture(scope="module")
def prover(connection: psycopg.Connection[Any]) -> Prover:
    return Prover(connection)


@pytest.mark.parametrize("name", UNARY)
def test_functions_of_one_document(prover: Prover, name: str) -> None:
    texts = documents(150)
    truth = prover.truth(UNARY[name], "text", [(text, "") for text in texts])
    assert [(t, a) for t, a in zip(texts, truth, strict=True) if found(name, t) != a] == []


@pytest.mark.parametrize("name", BINARY)
def test_functions_of_two_documents(prover: Prover, name: str) -> None:
    cases = pairs(150)
    truth = prover.truth(BINARY[name], "jsonb", cases)
    assert [(case, a) for case, a in zip(cases, truth, strict=True) if found(name, *case) != a] == []


@pytest.mark.parametrize("name", NAMED)
def test_functions_of_a_document_and_a_name(prover: Prover, name: str) -> None:
    cases = [(text, word) for text in documents(80) for word in ("a", "1", "", "é")]
    truth = prover.truth(NAMED[name], "text", cases)
    assert [(case, a) for case, a in zip(cases, truth, strict=True) if found(name, *case) != a] == []


@pytest.mark.parametrize("name", PLACED)
def test_functions_of_a_document_and_a_place(prover: Prover, name: str) -> None:
    cases = [(text, place) for text in documents(80) for place in (0, 1, -1, -2, 7)]
    truth = prover.truth(PLACED[name], "int", [(text, str(place)) for text, place in cases])
    assert [(case, a) for case, a in zip(cases, truth, strict=True) if found(name, *case) != a] == []


@pytest.mark.parametrize("name", FOLLOWED)
def test_functions_of_a_document_and_a_path(prover: Prover, name: str) -> None:
    cases = [(text, path) for text in documents(60) for path in PATHS]
    truth = prover.truth(FOLLOWED[name], "text[]", [(text, "{" + ",".join(path) + "}") for text, path in cases])
    assert [(case, a) for case, a in zip(cases, truth, strict=True) if found(name, *case) != a] == []


def test_keys_are_ordered_as_the_documents_are(connection: psycopg.Connection[Any]) -> None:
    texts = documents(400)
    asked = b"SELECT dense_rank() OVER (ORDER BY x::jsonb) FROM unnest(%s::text[]) WITH ORDINALITY u(x, i) ORDER BY i"
    ranks = [row[0] for row in connection.execute(asked, (texts,))]
    keys = [found("omnisql_j_key", text) or "" for text in texts]
    places = {key: place for place, key in enumerate(sorted(set(keys), key=str.encode), 1)}
    assert [text for text, key, rank in zip(texts, keys, ranks, strict=True) if places[key] != rank] == []


def test_documents_that_look_alike_are_equal_and_no_others(connection: psycopg.Connection[Any]) -> None:
    shown = [text for case in documents(400) if (text := found("omnisql_j_alone", case)) not in (None, "fails")]
    asked = b"SELECT count(DISTINCT x::jsonb) FROM unnest(%s::text[]) x"
    assert connection.execute(asked, (shown,)).fetchone() == (len(set(shown)),)
    assert found("omnisql_j_alone", "[1.0]") == "fails"


def test_what_postgresql_does_not_read_fails() -> None:
    assert [text for text in BROKEN if found("omnisql_j_read", text) != "fails"] == []


def test_an_array_is_taken_apart_and_texts_are_quoted(connection: psycopg.Connection[Any]) -> None:
    texts = [text for text in documents(100) if isinstance(json.loads(text), list)]
    for name, function in (
        ("omnisql_j_elements", "jsonb_array_elements"),
        ("omnisql_j_element_texts", "jsonb_array_elements_text"),
    ):
        for text in texts:
            asked = f"SELECT array_agg(x::text) FROM {function}(%s::jsonb) x".encode()
            (truth,) = connection.execute(asked, (text,)).fetchone() or (None,)
            joined = found(name, text)
            assert joined == "fails" or (joined.split("\x01") if joined is not None else None) == truth, text
    words = ["".join(map(chr, range(1, 200))), "", '"', "\\"]
    rows = connection.execute(b"SELECT to_json(x)::text FROM unnest(%s::text[]) x", (words,))
    assert [found("omnisql_j_quote", word) for word in words] == [row[0] for row in rows]
