"""Manifests that are refused, and where; and the schema that editors use."""

from __future__ import annotations

import json
import re
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.declarative.load import load_file, load_text, manifest_schema
from connectors.declarative.requests import first_request
from connectors.registry import MANIFESTS, add_folder, manifest_named, manifest_names
from connectors.sdk.errors import ManifestInvalid
from connectors.sdk.scan import Scan

GOOD = """\
omnisql: 1
name: tiny
title: Tiny
documentation: https://tiny.example/docs
base_url: https://tiny.example
secrets:
  token: {description: A token.}
auth:
  - {kind: header, value: "Bearer {token}"}
check: {request: GET /me, shows: name}
pagination: {kind: link, size: per_page}
tables:
  things:
    description: Things.
    primary_key: [id]
    columns:
      id: int8!
      state: text
      made: timestamptz made_at
    pushdown:
      state: {"=": {send: state, grade: exact, values: [open, shut]}}
      made: {">=": {send: since}}
    access_paths:
      all: {request: "GET /things"}
"""

REFUSED = [
    ("title: Tiny", "titel: Tiny", 3, 1, "key titel is not known here", "Did you mean title?"),
    ("title: Tiny", "title: [Tiny]", 3, 1, "a text is wanted here, not a list", ""),
    ("omnisql: 1", "omnisql: 2", 1, 1, "2 is not allowed here", "Allowed are 1."),
    ("id: int8!", "id: bigint!", 17, 7, "there is no type bigint", "int8"),
    ("primary_key: [id]", "primary_key: [key]", 15, 5, "there is no column key", "id, made, state"),
    ("primary_key: [id]", "primary_key: []", 15, 5, "at least 1 is wanted here", ""),
    ('">=": {send', '"=>": {send', 22, 14, "this text is not allowed here", "like_prefix"),
    ('">=": {send', '"=": {send', 22, 14, "times are pushed as bounds only", ""),
    ("grade: exact", "grade: exactly", 21, 34, "exactly is not allowed here", "exact, superset"),
    ("{kind: link", "{kind: links", 11, 14, "its kind is not known", "cursor, offset, page, link"),
    ("GET /things", "GET /things/{thing}", 24, 7, "placeholder thing is neither a key nor an option", ""),
    ("GET /me,", "'GET /{team}/me',", 10, 1, "team is no option that is required or has a default", ""),
    ('"=": {send', 'like: {send', 21, 15, "patterns of any form", "like_prefix, like_suffix, like_contains"),
    ("pagination:", "limits: {other: {points: 5}}\npagination:", 1, 1, "no limit requests under limits", "other"),
    ("pagination:", "limits: {requests: {beside: [more]}}\npagination:", 11, 10, "no limit more under limits", ""),
    ("pagination:", "limits: {requests: {points: 0}}\npagination:", 11, 21, "the least value allowed here is 1", ""),
    ("pagination:", "limits: {requests: {cost_at: 'a['}}\npagination:", 11, 10, "a[", ""),
    ("GET /things", "PUT /things", 24, 13, "this text is not allowed here", "(GET|POST)"),
    ('auth:\n  - {kind: header, value: "Bearer {token}"}', "auth: []", 8, 1, "no way to prove oneself", "Leave out"),
    ("Bearer {token}", "Bearer {tokn}", 9, 5, "tokn is no option and no secret", "token"),
    ("pagination: {kind: link, size: per_page}\n", "", 23, 7, "pagination is missing here", "kind: none"),
    ("title: Tiny", "title: Tiny\ntitle: Twice", 4, 1, "key title stands here twice", ""),
    ("title: Tiny", "title: {Tiny", 4, 14, "expected", ""),
    ("state: text", "state: {type: text, hydrate: more}", 18, 7, "there is no hydrate more", ""),
    ("    push", "    references: {id: things.key}\n    push", 20, 18, "there is no column things.key", "channels.id"),
    ("    push", "    formats: {id: '('}\n    push", 20, 15, "this is no regular expression", ""),
    ("    push", "    hydrate: {more: {request: 'GET /x/{key}'}}\n    push", 20, 15, "there is no column key", "id"),
    ("GET /things", "POST /things", 24, 7, "what is posted is read with a cursor", ""),
    ('"GET /things"', '"GET /things", filter: {send: q, dialect: notion}', 24, 37, "which only a POST can send", ""),
    ('"GET /things"', '"GET /things", disjunctions: {}', 24, 37, "only a filter has OR", ""),
    ('"GET /things"', '"GET /things", filter: {send: q, dialect: zendesk}, disjunctions: {}', 24, 74,
     "the language of the filter has no OR", ""),
    ('"GET /things"', '"GET /things", disjunctions: {branches: 3}', 24, 52, "key branches is not known", "branch"),
    ('"GET /things"', '"GET /things", disjunctions: {branch_max: 1}', 24, 52, "the least value allowed here is 2", ""),
    ('"GET /things"', '"GET /things", needs: [id]', 24, 37, "id has no pushdown here", ""),
    ('"GET /things"', '"GET /x", window: {start: since, end: u, days_max: 9}', 24, 32, "no pushdown sends u as", ""),
    ("{kind: header, value", "{kind: oauth2, grant: refresh_token, token_path: /t, client_id: c, client_secret", 9, 5,
     "refresh_token is for the grant of that name", ""),
]  # fmt: skip


def test_the_shortest_manifest_is_a_connector() -> None:
    loaded = load_text(GOOD, "tiny.yaml")
    assert [column.name for column in loaded.tables["things"].table.columns] == ["id", "state", "made"]


@pytest.mark.parametrize(("old", "new", "line", "column", "message", "hint"), REFUSED)
def test_a_mistake_is_told_with_its_place_and_what_is_allowed(
    old: str, new: str, line: int, column: int, message: str, hint: str
) -> None:
    assert GOOD.count(old) == 1
    with pytest.raises(ManifestInvalid) as refused:
        load_text(GOOD.replace(old, new), "tiny.yaml")
    assert f"tiny.yaml, line {line}, column" in refused.value.message
    assert message in refused.value.message
    assert hint in (refused.value.hint or "")
    if "expected" not in message:
        assert f"column {column}:" in refused.value.message


def test_what_a_request_is_made_of_is_always_given() -> None:
    text = GOOD.replace("GET /things", "GET /{team}/things").replace("GET /me", "'GET /{team}/me'")
    for sure in ("required: true", "default: acme"):
        declared = f"options:\n  team: {{description: The team., {sure}}}\nsecrets:"
        load_text(text.replace("secrets:", declared), "tiny.yaml")
    with pytest.raises(ManifestInvalid, match="no option that is required or has a default"):
        load_text(text.replace("secrets:", "options:\n  team: {description: The team.}\nsecrets:"), "tiny.yaml")
    with pytest.raises(ManifestInvalid, match="neither a key nor an option that is required or has a default"):
        load_text(GOOD.replace("GET /things", "GET /{team}/things"), "tiny.yaml")


POSTED = (
    GOOD.replace("{kind: link, size: per_page}", "{kind: none}")
    .replace("send: state", "send: equals")
    .replace("send: since", "send: after")
    .replace(
        '{request: "GET /things"}',
        "{request: POST /things, filter: {send: f, dialect: notion}, pushdown: PUSHDOWN, disjunctions: DISJUNCTIONS}",
    )
)


@pytest.mark.parametrize(
    ("pushdown", "disjunctions", "message", "hint"),
    [
        ("[made]", "{columns: [made, id]}", "the filter takes nothing on id", "Allowed: made."),
        ("[]", "{}", "the filter takes no condition here", ""),
    ],
)
def test_or_is_for_what_the_filter_takes(pushdown: str, disjunctions: str, message: str, hint: str) -> None:
    text = POSTED.replace("DISJUNCTIONS", disjunctions).replace("PUSHDOWN", pushdown)
    with pytest.raises(ManifestInvalid, match=message) as refused:
        load_text(text, "tiny.yaml")
    assert hint in (refused.value.hint or "")


def test_or_takes_all_that_the_filter_takes_unless_it_is_told() -> None:
    text = POSTED.replace("PUSHDOWN", "[state, made]")
    for told, columns in (("{}", {"state", "made"}), ("{columns: [made], branches_max: 9}", {"made"})):
        (path,) = load_text(text.replace("DISJUNCTIONS", told), "tiny.yaml").tables["things"].table.access_paths
        assert path.disjunctions is not None
        assert path.disjunctions.columns == columns
        assert path.disjunctions.alone


EXACT_TOGETHER = [
    'state: {"=": {send: q, grade: exact}}\n      id: {"=": {send: q, grade: exact}}',
    'id: {">=": {send: min, grade: exact}, ">": {send: min, grade: exact}}',
    'id: {"=": {send: id, grade: exact}, in: {send: ids, grade: exact}}',
    'state: {"=": {send: s, grade: exact}, is_null: {send: s, value: none, grade: exact}}',
    'state: {"<>": {send: not, grade: exact}}',
]


@pytest.mark.parametrize("pushdown", EXACT_TOGETHER)
def test_what_one_input_cannot_hold_together_is_not_exact(pushdown: str) -> None:
    text = GOOD.replace('state: {"=": {send: state, grade: exact, values: [open, shut]}}', pushdown)
    text = text.replace('      made: {">=": {send: since}}\n', "")
    with pytest.raises(ManifestInvalid, match="exact") as refused:
        load_text(text, "tiny.yaml")
    assert pushdown != EXACT_TOGETHER[0] or refused.value.hint == "Leave out grade: exact in the pushdown of state, id."


@pytest.mark.parametrize(("written", "value"), [("yes", "yes"), ("on", "on"), ("2026-01-02", "2026-01-02")])
def test_words_of_older_yaml_are_texts(written: str, value: str) -> None:
    assert load_text(GOOD.replace("title: Tiny", f"title: {written}"), "tiny.yaml").manifest.title == value


@given(st.text(max_size=200) | st.binary(max_size=200).map(lambda raw: raw.decode("latin-1")))
def test_no_text_does_anything_but_load_or_be_refused(text: str) -> None:
    with pytest.raises(ManifestInvalid):
        load_text(text, "any.yaml")


@given(st.integers(0, len(GOOD)), st.sampled_from(["", ":", "{", "- ", "\n", "'", "&a ", "*a", "!!int ", "\t", "?"]))
def test_a_manifest_with_a_slip_loads_or_is_refused(at: int, slip: str) -> None:
    with suppress(ManifestInvalid):
        load_text(GOOD[:at] + slip + GOOD[at + 1 :], "tiny.yaml")


@pytest.mark.parametrize("name", manifest_names())
def test_every_manifest_loads_under_its_own_name(name: str) -> None:
    assert manifest_named(name).manifest.name == name


def test_the_schema_for_editors_is_of_today() -> None:
    file = MANIFESTS.parent / "declarative" / "manifest.schema.json"
    assert json.loads(Path(file).read_text(encoding="utf-8")) == json.loads(json.dumps(manifest_schema()))


def test_a_folder_takes_no_name_of_another_connector(tmp_path: Path) -> None:
    (tmp_path / "aaa.yaml").write_text(GOOD.replace("name: tiny", "name: aaa"), encoding="utf-8")
    (tmp_path / "slack.yaml").write_text(GOOD.replace("name: tiny", "name: slack"), encoding="utf-8")
    with pytest.raises(ManifestInvalid, match=r"slack\.yaml in .* has the name of a connector of OmniSQL"):
        add_folder(tmp_path)
    # All of them or none.
    assert "aaa" not in manifest_names()


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(ManifestInvalid, match="there is no folder"):
        add_folder(tmp_path / "nowhere")


def test_every_key_of_the_schema_has_a_description_for_editors() -> None:
    schema = manifest_schema()

    def is_described(declared: dict[str, Any]) -> bool:
        referred = [
            each["$ref"].rpartition("/")[2] for each in (declared, *declared.get("anyOf", [])) if "$ref" in each
        ]
        return bool(declared.get("description")) or any(schema["$defs"][name].get("description") for name in referred)

    lacking = [
        f"{name}.{key}"
        for name, definition in schema["$defs"].items()
        for key, declared in definition.get("properties", {}).items()
        if key != "kind" and not is_described(declared)
    ]
    assert lacking == []


def test_the_examples_of_the_documentation_load() -> None:
    text = (MANIFESTS.parents[1] / "docs" / "connectors.md").read_text(encoding="utf-8")
    examples = [example for example in re.findall(r"```yaml\n(.*?)```", text, re.DOTALL) if "folder:" not in example]
    named = {
        key: example for example in examples for key in ("auth:", "errors:", "tests:", "references:") if key in example
    }
    names = ("token", "tokens", "key", "refresh")
    account = (
        "omnisql: 1\nname: example\ntitle: Example\ndocumentation: https://example.com\nbase_url: https://example.com\n"
        "options: {email: {description: A user.}, app: {description: An app.}}\n"
        f"secrets: {{{', '.join(f'{name}: {{description: A secret.}}' for name in names)}}}\n"
    )
    tasks = (
        "check: {request: GET /me}\npagination: {kind: none}\ntables:\n  tasks:\n    description: Tasks.\n"
        "    primary_key: [id]\n    columns: {id: text!, status: text!}\n"
        "    access_paths: {all: {request: GET /tasks}}\n"
    )
    whole = f"{account}{named['auth:']}{named['errors:']}{tasks}{named['tests:']}{named['references:']}"
    loaded = load_text(whole, "example.yaml")
    assert [auth.__struct_config__.tag for auth in loaded.manifest.auth] == [
        "header", "basic", "oauth2", "oauth2", "jwt_bearer", "github_app", "pool",
    ]  # fmt: skip
    assert [rule.action for rule in loaded.manifest.errors] == ["retry", "rate_limited", "credentials", "fail"]
    assert loaded.tables["comments"].references == {"task_id": ("tasks", "id")}
    scan = Scan(table="comments", access_path="by_task", columns=("id",), keys={"task_id": "7"})
    request = first_request(loaded.manifest, loaded.tables["comments"], scan, {})
    assert (request.path, request.bucket, request.cost) == ("/tasks/7/comments", "search", 2)


@pytest.mark.parametrize(
    ("text", "line", "column", "message"),
    [
        ("[" * 100_000, 1, 43, "values are nested too deeply"),
        ("omnisql: 1\nx: " + "{a: " * 5000, 2, 165, "values are nested too deeply"),
        ("a: &a\n  b: *a\n", 2, 3, "values are nested too deeply"),
        (f"omnisql: {'9' * 200_000}", 1, 1, "999 is not allowed here"),
        ("omnisql: 1e999999", 1, 1, "1e999999 is not allowed here"),
        ("omnisql: 1\nname: a\x07b", 2, 8, "YAML does not allow this character"),
        ("a: 1\n? [b]\n: c\n", 2, 3, "a key must be a text"),
    ],
)
def test_what_is_too_much_to_read_is_told_with_its_place(text: str, line: int, column: int, message: str) -> None:
    with pytest.raises(ManifestInvalid) as refused:
        load_text(text, "tiny.yaml")
    assert refused.value.place == (line, column)
    assert message in refused.value.message


def test_aliases_of_aliases_are_counted_as_what_they_stand_for() -> None:
    levels = [f"a{at}: &a{at} [{', '.join([f'*a{at - 1}'] * 9)}]\n" for at in range(1, 12)]
    with pytest.raises(ManifestInvalid, match="no more than 200000 values, those of aliases included") as refused:
        load_text("a0: &a0 [x, x, x]\n" + "".join(levels), "tiny.yaml")
    assert "tiny.yaml, line 1, column" in refused.value.message


def test_a_kind_that_is_no_text_is_not_known() -> None:
    for kind in ("{a: b}", "[link]", "1", "null"):
        with pytest.raises(ManifestInvalid, match="its kind is not known"):
            load_text(GOOD.replace("{kind: link", f"{{kind: {kind}"), "tiny.yaml")


def test_a_file_is_read_to_a_bound_and_told_where_it_is_no_utf8(tmp_path: Path) -> None:
    file = tmp_path / "tiny.yaml"
    file.write_bytes(GOOD.encode().replace(b"Things.", b"Th\xefngs."))
    with pytest.raises(ManifestInvalid, match="line 14, column 20: this is no UTF-8") as refused:
        load_file(file)
    assert refused.value.hint == "Save the file as UTF-8."
    for raw in (b"\xef\xbb\xbf" + GOOD.encode(), GOOD.replace("\n", "\r\n").encode()):
        file.write_bytes(raw)
        assert list(load_file(file).tables) == ["things"]
    file.unlink()
    file.symlink_to("/dev/zero")
    with pytest.raises(ManifestInvalid, match="has more than 1000000 characters"):
        load_file(file)
