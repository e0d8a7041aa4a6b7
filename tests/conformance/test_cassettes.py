"""What an account answers is recorded without its secrets, proves the same from the file, and is not kept with them."""

from __future__ import annotations

import base64
import json
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

import pytest
from aiohttp import web
from local_network import LOCAL_SETTINGS

from connectors.cassettes.recording import recording
from connectors.cassettes.replaying import read_cassette, try_on_cassette
from connectors.declarative.connector import DeclarativeConnector
from connectors.declarative.load import Loaded, load_file
from connectors.declarative.proving import trial_source
from connectors.registry import manifest_named
from connectors.sdk.errors import Fatal, OptionInvalid
from connectors.simulators import start_simulator
from connectors.simulators.company import build_company
from connectors.simulators.company.build import DEFAULT_EPOCH
from connectors.starter import start
from connectors.trial import TOKEN, Trial, proofs_of, simulator_for

CANARY = "canary/+value 5d1f"
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Spoil = Callable[[web.Request, web.Response], None]


def acme(folder: Path) -> Loaded:
    start("acme_crm", folder, ())
    return load_file(folder / "acme_crm.yaml")


async def recorded(
    loaded: Loaded, folder: Path, spoil: Spoil | None = None, *, secret: str = TOKEN, tables: tuple[str, ...] = ()
) -> Trial:
    """Record a connector's proof on its simulator, whose answers may be spoiled, into `cassette` of a folder."""
    name = loaded.manifest.name
    application = simulator_for(name, folder)(build_company(issues=60))

    @web.middleware
    async def answer(request: web.Request, handler: Handler) -> web.StreamResponse:
        if secret != TOKEN:
            request = request.clone(headers={"Authorization": f"Bearer {TOKEN}"})
        response = await handler(request)
        if spoil is not None and isinstance(response, web.Response):
            spoil(request, response)
        return response

    application.middlewares.insert(0, answer)
    simulator = await start_simulator(application)
    source = trial_source(loaded, simulator.base_url, secret)
    try:
        with recording(folder / "cassette", loaded, source, tables, DEFAULT_EPOCH.timestamp) as tape:
            connector = DeclarativeConnector(loaded, LOCAL_SETTINGS, tape.surroundings)
            return await proofs_of(loaded, connector, source, tables)
    finally:
        await simulator.stop()


def left_in(folder: Path) -> list[str]:
    return [file.name for file in folder.iterdir() if "cassette" in file.name]


def counts(trial: Trial) -> list[tuple[str, int, int]]:
    return [(each.table, each.row_count, each.proof.check_count) for each in trial.tables]


@pytest.mark.parametrize(
    ("name", "tables"), [("acme_crm", ()), ("linear", ("teams",)), ("gitlab", ("projects", "issues"))]
)
async def test_a_cassette_proves_what_the_account_proved(name: str, tables: tuple[str, ...], tmp_path: Path) -> None:
    loaded = acme(tmp_path) if name == "acme_crm" else manifest_named(name)
    live = await recorded(loaded, tmp_path, tables=tables)
    assert live.failures == []
    again = await try_on_cassette(loaded, read_cassette(tmp_path / "cassette"))
    assert again.failures == []
    assert counts(again) == counts(live)
    assert (tmp_path / "cassette").stat().st_mode & 0o077 == 0


def echoing(form: Callable[[str], str]) -> Spoil:
    """Return what puts the secret into every name, and into a link, a header and fields of an answer."""

    def spoil(_request: web.Request, response: web.Response) -> None:
        assert isinstance(response.body, bytes)
        body = json.loads(response.body)
        for row in body.get("data", [body] if "id" in body else []):
            row |= {"name": f"x {form(CANARY)} y", "url": f"https://a.example/?access_token={form('minted-elsewhere')}"}
        body |= {"access_token": "minted-elsewhere", form(CANARY): 1}
        response.body = json.dumps(body).encode()
        response.headers["Set-Cookie"] = f"session={CANARY}"
        response.headers["X-Debug"] = "minted-elsewhere"

    return spoil


@pytest.mark.parametrize(
    "form",
    [
        str,
        lambda secret: quote(secret, safe=""),
        lambda secret: base64.b64encode(secret.encode()).decode(),
    ],
)
async def test_no_secret_that_an_account_repeats_is_on_the_cassette(form: Callable[[str], str], tmp_path: Path) -> None:
    loaded = acme(tmp_path)
    trial = await recorded(loaded, tmp_path, echoing(form), secret=CANARY)
    assert trial.failures == []
    content = (tmp_path / "cassette").read_text(encoding="utf-8")
    assert "x (scrubbed) y" in content
    for sought in (form(CANARY), CANARY, "minted-elsewhere", "Bearer", "session="):
        assert sought not in content
    assert (await try_on_cassette(loaded, read_cassette(tmp_path / "cassette"))).failures == []


async def test_a_cassette_that_still_holds_a_secret_is_not_kept(tmp_path: Path) -> None:
    hidden = echoing(lambda secret: base64.b64encode(f"user:{secret}:more".encode()).decode())
    with pytest.raises(Fatal, match="repeat a secret") as refused:
        await recorded(acme(tmp_path), tmp_path, hidden, secret=CANARY)
    assert "token in line " in str(refused.value.detail)
    assert CANARY not in f"{refused.value.message}{refused.value.detail}{refused.value.hint}"
    assert left_in(tmp_path) == []


async def test_a_short_secret_is_not_recorded_with(tmp_path: Path) -> None:
    with pytest.raises(OptionInvalid, match="secret token is too short"):
        await recorded(acme(tmp_path), tmp_path, secret="short")


async def test_a_manifest_that_asks_otherwise_is_told_what_is_not_on_the_cassette(tmp_path: Path) -> None:
    await recorded(acme(tmp_path), tmp_path)
    file = tmp_path / "acme_crm.yaml"
    file.write_text(file.read_text(encoding="utf-8").replace("size: limit", "size: per_page"), encoding="utf-8")
    with pytest.raises(OptionInvalid, match="no answer to GET /projects with per_page"):
        await try_on_cassette(load_file(file), read_cassette(tmp_path / "cassette"))
    with pytest.raises(OptionInvalid, match="of connector acme_crm, not of slack"):
        await try_on_cassette(manifest_named("slack"), read_cassette(tmp_path / "cassette"))


@pytest.mark.parametrize(
    ("content", "words"),
    [("", "Line 1"), ("{}\n", "Line 1"), ('{"cassette": 7}\n', None), ("[1]\n", "Line 1"), (None, "Line 2")],
)
async def test_what_is_no_cassette_is_refused(content: str | None, words: str | None, tmp_path: Path) -> None:
    file = tmp_path / "cassette"
    if content is None:
        await recorded(acme(tmp_path), tmp_path, tables=("projects",))
        content = file.read_text(encoding="utf-8").partition("\n")[0] + '\n{"method": "GET"'
    file.write_text(content, encoding="utf-8")
    with pytest.raises(OptionInvalid) as refused:
        read_cassette(file)
    assert words is None or words in str(refused.value.detail)


async def test_an_interrupted_recording_leaves_nothing(tmp_path: Path) -> None:
    loaded = acme(tmp_path)
    with (
        suppress(ZeroDivisionError),
        recording(
            tmp_path / "cassette", loaded, trial_source(loaded, "http://127.0.0.1", TOKEN), (), DEFAULT_EPOCH.timestamp
        ) as tape,
    ):
        assert tape.answer_count == 0
        raise ZeroDivisionError
    assert left_in(tmp_path) == []
