"""What the author of a connector is told of a trial that does not get through."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from connectors.declarative.load import load_file
from connectors.sdk.errors import Fatal
from connectors.starter import start
from connectors.trial import simulator_for, try_on_simulator

WRONG = "{kind: cursor, send: cursor, next: after}"


def changed(folder: Path, before: str, after: str) -> Path:
    start("acme", folder, ())
    file = folder / "acme.yaml"
    text = file.read_text(encoding="utf-8")
    assert before in text
    file.write_text(text.replace(before, after), encoding="utf-8")
    return file


async def test_a_trial_tells_what_its_simulator_said(tmp_path: Path) -> None:
    file = changed(tmp_path, "size: limit", "size: rows")
    with pytest.raises(Fatal) as refused:
        await try_on_simulator(load_file(file), simulator_for("acme", tmp_path), ("projects",))
    assert "GET /projects was answered 400. The simulator said to GET /projects?rows=100: " in str(refused.value.detail)
    assert "parameter rows is not known here" in str(refused.value.detail)


async def test_rows_that_are_elsewhere_are_told_by_the_key_that_says_where(tmp_path: Path) -> None:
    file = changed(tmp_path, "rows: data", "rows: items")
    with pytest.raises(Fatal, match="not a list of objects") as refused:
        await try_on_simulator(load_file(file), simulator_for("acme", tmp_path), ("projects",))
    assert "key rows of its manifest" in str(refused.value.hint)


def test_a_rate_limit_need_not_tell_when_it_ends(tmp_path: Path) -> None:
    file = changed(tmp_path, ", reset: X-RateLimit-Reset, reset_format: seconds", "")
    declared = load_file(file).manifest.rate_limit
    assert declared is not None
    assert declared.reset == ""


async def test_an_option_of_the_server_is_made_up_or_given_and_checked_with(tmp_path: Path) -> None:
    declared = 'options:\n  team: {description: "The team.", required: true}\nsecrets:'
    file = changed(tmp_path, "secrets:", declared)
    text = file.read_text(encoding="utf-8")
    file.write_text(text.replace("check: {request: GET /me", 'check: {request: "GET /{team}/me"'), encoding="utf-8")
    simulator = tmp_path / "simulated_acme.py"
    routes = simulator.read_text(encoding="utf-8")
    simulator.write_text(routes.replace('"/me"', '"/{team:acme|green}/me"'), encoding="utf-8")
    make, loaded = simulator_for("acme", tmp_path), load_file(file)
    for options in (None, {"team": "green"}):
        assert (await try_on_simulator(loaded, make, ("projects",), options)).failures == []
    with pytest.raises(Fatal) as refused:
        await try_on_simulator(loaded, make, ("projects",), {"team": "red/1"})
    assert "The simulator said to GET /red%2F1/me: " in str(refused.value.detail)


async def test_a_listing_that_would_end_after_its_first_page_is_found_where_all_rows_fit_one(tmp_path: Path) -> None:
    file = changed(tmp_path, "    description: Projects.\n", f"    description: Projects.\n    pagination: {WRONG}\n")
    trial = await try_on_simulator(load_file(file), simulator_for("acme", tmp_path), ("projects",))
    assert trial.failures == ["projects.all goes on after a page: 2 of 4 rows come"]


async def test_a_value_that_does_not_fit_is_told_by_its_kind_and_place(tmp_path: Path) -> None:
    file = changed(tmp_path, "      name: text!", "      name: int8!")
    with pytest.raises(Fatal, match="does not fit type int8") as refused:
        await try_on_simulator(load_file(file), simulator_for("acme", tmp_path), ("projects",))
    assert refused.value.detail == "The source sent a text at name, not what its documentation says."


async def test_a_listing_without_an_end_is_given_up_in_seconds(tmp_path: Path) -> None:
    file = changed(tmp_path, "rows_expected: 50", "rows_expected: 40")
    simulator = tmp_path / "simulated_acme.py"
    text = simulator.read_text(encoding="utf-8")
    assert " if end < len(rows) else None" in text
    simulator.write_text(text.replace(" if end < len(rows) else None", ""), encoding="utf-8")
    with pytest.raises(Fatal, match="too many pages") as refused:
        await try_on_simulator(load_file(file), simulator_for("acme", tmp_path), ("projects",))
    assert "after 1000 pages" in str(refused.value.detail)


KEYED = """\
  TABLE:
    description: More.
    primary_key: [id]
    columns: {id: text!, project_id: text!, status: text!}
    references: REFERENCES
    access_paths:
      all: {request: GET /tasks, inputs: INPUTS, keys: KEYS}
"""


def with_table(folder: Path, **parts: str) -> Path:
    table = KEYED
    for name, text in parts.items():
        table = table.replace(name, text)
    return changed(folder, "  comments:\n", f"{table}  comments:\n")


async def test_keys_of_two_parents_are_tried_together(tmp_path: Path) -> None:
    file = with_table(
        tmp_path,
        TABLE="chosen",
        REFERENCES="{project_id: projects.id, status: tasks.status}",
        INPUTS='{project: "{project_id}", status: "{status}"}',
        KEYS="[project_id, status]",
    )
    trial = await try_on_simulator(load_file(file), simulator_for("acme", tmp_path), ("chosen",))
    assert trial.failures == []
    assert trial.tables[0].row_count > 2


async def test_keys_that_only_the_table_itself_could_tell_are_told(tmp_path: Path) -> None:
    file = with_table(
        tmp_path,
        TABLE="lost",
        REFERENCES="{project_id: lost.id}",
        INPUTS='{project: "{project_id}"}',
        KEYS="[project_id]",
    )
    trial = await try_on_simulator(load_file(file), simulator_for("acme", tmp_path), ("lost",))
    (claim,) = trial.failures
    assert claim == "lost: every access path has keys, and no row of lost has values for those of one of them"


async def test_faults_are_tried_on_a_listing_with_keys_where_there_is_no_other(tmp_path: Path) -> None:
    file = with_table(
        tmp_path,
        TABLE="of_project",
        REFERENCES="{project_id: projects.id}",
        INPUTS='{project: "{project_id}"}',
        KEYS="[project_id]",
    )
    trial = await try_on_simulator(load_file(file), simulator_for("acme", tmp_path), ("of_project",))
    assert trial.failures == []
    assert trial.faults is not None
    assert len(trial.faults.taken) > 30


async def test_a_mistake_is_told_once_with_what_is_wrong_about_a_row(tmp_path: Path) -> None:
    file = changed(tmp_path, "{send: created_after}", "{send: created_before}")
    simulator = tmp_path / "simulated_acme.py"
    text = simulator.read_text(encoding="utf-8")
    before = 'row["created_at"], self._rules.refusal) >= bound'
    assert before in text
    text = text.replace(before, before.replace(">=", "<")).replace("created_after", "created_before")
    simulator.write_text(text, encoding="utf-8")
    trial = await try_on_simulator(load_file(file), simulator_for("acme", tmp_path), ("tasks",))
    assert [claim.split(" for ")[0] for claim in trial.failures] == ["tasks.all returns a superset"] * 2
    for claim in trial.failures:
        assert re.search(r": rows missing: \d+ of \d+, like id = 't\d+'; and \d+ more like it$", claim), claim


async def test_what_a_path_does_not_tell_of_a_row_is_told_by_its_column(tmp_path: Path) -> None:
    file = changed(tmp_path, "rows_expected: 50", "rows_expected: 40")
    simulator = tmp_path / "simulated_acme.py"
    routes = simulator.read_text(encoding="utf-8")
    assert "                return json_response(row)" in routes
    routes = routes.replace("return json_response(row)", 'return json_response({**row, "name": "other"})')
    simulator.write_text(routes, encoding="utf-8")
    trial = await try_on_simulator(load_file(file), simulator_for("acme", tmp_path), ("projects",))
    assert all(": name is another value in 1 of 1, like id = 'p" in claim for claim in trial.failures)
    assert trial.failures
