"""What all simulators share: the request log, settings, faults, starting and stopping."""

from __future__ import annotations

import asyncio
import base64
import json
import signal
import sys
from collections import Counter
from pathlib import Path

import aiohttp
import pytest
from simulated_api import Api, next_link

from connectors.simulators import github as github_simulator
from connectors.simulators import start_simulator
from connectors.simulators.__main__ import main
from connectors.simulators.company import Company
from connectors.simulators.company.vocabulary import seeded
from connectors.simulators.faults import draw_fault
from connectors.starter import start

ISSUES = "/repos/acme/web/issues"


async def test_requests_are_logged_without_the_token(github: Api) -> None:
    await github.call("GET", f"{ISSUES}?labels=bug&labels=x&page=1", headers={"If-None-Match": '"tag"'})
    await github.get("/nowhere")
    records = await github.requests()
    assert [(r["method"], r["path"], r["status"]) for r in records] == [("GET", ISSUES, 200), ("GET", "/nowhere", 404)]
    assert records[0]["query"] == {"labels": ["bug", "x"], "page": ["1"]}
    assert records[0]["authorization"] == "Bearer"
    assert records[0]["if_none_match"] == '"tag"'
    assert records[0]["time"] == github.clock.now_s
    assert records[0]["duration_ms"] > 0
    assert "secret" not in json.dumps(records)


async def test_a_body_is_logged_parsed_and_a_bare_token_not_at_all(jira: Api) -> None:
    await jira.post("/rest/api/3/search/jql", {"jql": "project = WEB"})
    await jira.call("POST", "/rest/api/3/search/jql", data=b"not json", headers={"Authorization": "secret"})
    records = await jira.requests()
    assert [record["body"] for record in records] == [{"jql": "project = WEB"}, "not json"]
    assert [record["authorization"] for record in records] == ["Basic", "(none)"]


async def test_reset_forgets_requests_counters_and_settings(github: Api) -> None:
    await github.configure(page_rows_max=2, next=[{"status": 500}])
    await github.get("/user")
    await github.post("/_sim/reset", {})
    assert await github.requests() == []
    config = (await github.get("/_sim/config")).body
    assert config["page_rows_max"] is None
    assert config["next"] == []
    answer = await github.get("/user")
    assert (answer.status, answer.headers["x-ratelimit-used"]) == (200, "1")


@pytest.mark.parametrize(
    ("settings", "part"),
    [
        ({"latency": 3}, "unknown keys: latency"),
        ({"latency_ms": -1}, "latency_ms"),
        ({"latency_ms": 5, "faults": {"200": 0.5}}, "400 to 599"),
        ({"faults": {"500": 0.7, "502": 0.7}}, "sum to at most 1"),
        ({"next": [{"explode": True}]}, "not a fault"),
        ({"rate_limit": {"limit": 3}}, "rate_limit"),
        ({"page_rows_max": 0}, "page_rows_max"),
        ([], "object"),
    ],
)
async def test_bad_settings_are_named_and_change_nothing(github: Api, settings: object, part: str) -> None:
    before = (await github.get("/_sim/config")).body
    answer = await github.post("/_sim/config", settings)
    assert answer.status == 400
    assert part in answer.body["error"]
    assert (await github.get("/_sim/config")).body == before


async def test_settings_are_shown_as_they_were_given(github: Api) -> None:
    settings = {
        "latency_ms": 1,
        "jitter_ms": 2,
        "faults": {"500": 0.25},
        "next": [{"status": 429, "headers": {"retry-after": "1"}}, {"hang": True}],
        "rate_limit": {"limit": 5, "window_s": 60},
        "secondary_rate_limit": {"limit": 7, "window_s": 1, "retry_after_s": 3},
        "page_rows_max": 10,
        "seed": 4,
    }
    assert (await github.configure(**settings)).body == settings
    assert (await github.get("/_sim/config")).body == settings


async def test_one_shot_faults_come_in_order_and_once(github: Api) -> None:
    await github.configure(next=[{"status": 429, "headers": {"retry-after": "1"}}, {"status": 502, "body": {"a": 1}}])
    first, second, third = [await github.get("/user") for _ in range(3)]
    assert (first.status, first.headers["retry-after"]) == (429, "1")
    assert (second.status, second.body) == (502, {"a": 1})
    assert third.status == 200


async def test_random_faults_repeat_with_their_seed(github: Api) -> None:
    async def statuses() -> list[int]:
        await github.configure(faults={"500": 0.3, "429": 0.1}, seed=11)
        return [(await github.get("/rate_limit")).status for _ in range(60)]

    first, second = await statuses(), await statuses()
    assert first == second
    assert {200, 500} <= set(first) <= {200, 429, 500}


def test_random_faults_keep_their_rates() -> None:
    random = seeded("rates")
    faults = [draw_fault({500: 0.3, 429: 0.1}, random) for _ in range(10_000)]
    drawn = Counter(fault.status if fault else 200 for fault in faults)
    assert set(drawn) == {200, 429, 500}
    assert 2_800 < drawn[500] < 3_200
    assert 850 < drawn[429] < 1_150


async def test_truncated_json_has_the_right_length_but_no_end(github: Api) -> None:
    await github.configure(next=[{"truncate_json": True}])
    answer = await github.get("/user")
    assert (answer.status, int(answer.headers["content-length"])) == (200, len(answer.text.encode()))
    with pytest.raises(json.JSONDecodeError):
        json.loads(answer.text)


async def test_a_hanging_request_ends_with_the_client(github: Api) -> None:
    await github.configure(next=[{"hang": True}])
    with pytest.raises(TimeoutError):
        await github.call("GET", "/user", timeout=aiohttp.ClientTimeout(total=0.1))
    assert [record["status"] for record in await github.requests()] == [None]
    assert (await github.get("/user")).status == 200


async def test_reset_ends_a_hanging_request(jira: Api) -> None:
    await jira.configure(next=[{"hang": True}])
    # A client may repeat a GET on its own when a kept connection breaks, but not a POST.
    hanging = asyncio.create_task(jira.post("/rest/api/3/search/jql", {}))
    async with asyncio.timeout(10):
        while not await jira.requests():
            pass
    await jira.post("/_sim/reset", {})
    with pytest.raises(aiohttp.ClientError):
        await hanging


async def test_a_disconnect_leaves_no_answer(jira: Api) -> None:
    await jira.configure(next=[{"disconnect": True}])
    with pytest.raises(aiohttp.ClientError):
        await jira.post("/rest/api/3/search/jql", {})
    assert [record["status"] for record in await jira.requests()] == [None]


async def test_a_repeated_page_leads_to_the_page_it_stood_for(github: Api) -> None:
    first = await github.get(ISSUES, per_page=3, state="all")
    followed = next_link(first)
    assert followed
    await github.configure(next=[{"repeat_page": True}])
    # The address of the second page differs from the first one's, so that there is nothing to repeat for it yet.
    second = await github.get(followed)
    third_link = next_link(second)
    assert third_link
    await github.configure(next=[{"repeat_page": True}])
    repeated = await github.get(third_link)
    assert [row["number"] for row in repeated.body] == [row["number"] for row in second.body]
    third = await github.get(str(next_link(repeated)))
    assert not {row["number"] for row in third.body} & {row["number"] for row in second.body}


async def test_a_page_cap_shortens_pages_but_loses_no_row(github: Api, company: Company) -> None:
    await github.configure(page_rows_max=7)
    url: str | None = f"{ISSUES}?state=all&per_page=100&sort=created&direction=asc"
    sizes, numbers = [], []
    while url:
        answer = await github.get(url)
        sizes.append(len(answer.body))
        numbers += [row["number"] for row in answer.body]
        url = next_link(answer)
    web = company.forge.repositories[0]
    assert set(sizes[:-1]) == {7}
    assert numbers == list(range(1, web.items_count + 1))


async def test_latency_shows_in_the_duration(github: Api) -> None:
    await github.configure(latency_ms=15, jitter_ms=5)
    await github.get("/user")
    assert 15 <= (await github.requests())[0]["duration_ms"] < 2000


async def test_stop_releases_the_port_and_may_be_repeated(company: Company) -> None:
    app = github_simulator.create_app(company, tokens=frozenset({"t"}))
    simulator = await start_simulator(app)
    assert simulator.base_url == f"http://127.0.0.1:{simulator.port}"
    await simulator.stop()
    await simulator.stop()
    with pytest.raises(OSError, match="Connect call failed"):
        await asyncio.open_connection("127.0.0.1", simulator.port)


async def test_a_simulator_runs_as_a_process_until_it_is_told_to_stop(tmp_path: Path) -> None:
    ready = tmp_path / "ready.json"
    arguments = ("--connector", "jira", "--issues", "50", "--token", "t", "--email", "e", "--ready-file", str(ready))
    command = (sys.executable, "-m", "connectors.simulators", *arguments)
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    assert process.stdout
    try:
        async with asyncio.timeout(15):
            told = json.loads(await process.stdout.readline())
        assert json.loads(ready.read_text()) == told
        assert told["pid"] == process.pid
        headers = {"Authorization": "Basic " + base64.b64encode(b"e:t").decode()}
        async with (
            aiohttp.ClientSession(headers=headers) as session,
            session.get(f"{told['base_url']}/rest/api/3/myself") as response,
        ):
            assert response.status == 200
    finally:
        process.send_signal(signal.SIGTERM)
    assert await process.wait() == 0


async def test_a_simulator_of_ones_own_runs_from_its_folder(tmp_path: Path) -> None:
    start("acme", tmp_path, ())
    arguments = ("--connector", "acme", "--folder", str(tmp_path), "--issues", "50", "--token", "t")
    command = (sys.executable, "-m", "connectors.simulators", *arguments)
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    assert process.stdout
    try:
        async with asyncio.timeout(15):
            told = json.loads(await process.stdout.readline())
        headers = {"Authorization": "Bearer t"}
        async with aiohttp.ClientSession(headers=headers) as session, session.get(f"{told['base_url']}/me") as response:
            assert await response.json() == {"name": "Demo"}
    finally:
        process.send_signal(signal.SIGTERM)
    assert await process.wait() == 0


@pytest.mark.parametrize(("arguments", "said"), [([], "or give --folder"), (["--folder", "."], "simulated_acme.py")])
def test_a_simulator_that_is_not_there_is_named(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main(["--connector", "acme", *arguments])
    assert said in capsys.readouterr().err
