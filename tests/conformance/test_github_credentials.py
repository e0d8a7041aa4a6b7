"""How a GitHub source proves who it is: as the installation of an App, and by several tokens, against the simulator."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace

import pytest
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from local_network import LOCAL_SETTINGS
from rsa_keys import pem_of, rsa_key

from connectors.declarative.connector import DeclarativeConnection, DeclarativeConnector
from connectors.declarative.proving import rows_of, whole
from connectors.registry import manifest_named
from connectors.sdk.connector import Source
from connectors.sdk.errors import CredentialsRejected, Fatal, RateLimited
from connectors.sdk.quiet import QUIET_CONTEXT
from connectors.sdk.request import Request
from connectors.sdk.scan import Direction, Scan, SortKey
from connectors.sdk.settings import Surroundings
from connectors.simulators import start_simulator
from connectors.simulators.company import build_company
from connectors.simulators.github import create_app
from connectors.simulators.github.installation import APP_ID, CLIENT_ID, INSTALLATION, INSTALLATION_ID, Installation
from connectors.simulators.toolkit import SIMULATION

GITHUB = manifest_named("github")
(LABELS_PATH,) = (path for path in GITHUB.tables["labels"].table.access_paths if path.name == "by_repository")
LABELS = whole(GITHUB.tables["labels"], LABELS_PATH, {"owner": "acme", "repo": "web"})
TOKENS = ("ghp_first", "ghp_second")
LISTING = "/installation/repositories"


@dataclass(slots=True)
class World:
    """A simulator at a time that is set, and connections to it that are closed in the end."""

    application: web.Application
    base_url: str = ""
    now_s: float = field(default_factory=time.time)  # what answers are dated by
    connector: DeclarativeConnector = field(init=False)
    opened: list[DeclarativeConnection] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.connector = DeclarativeConnector(GITHUB, LOCAL_SETTINGS, Surroundings(now_s=lambda: self.now_s))

    @property
    def installation(self) -> Installation:
        return self.application[INSTALLATION]

    async def connect(self, secrets: dict[str, str], **options: str) -> DeclarativeConnection:
        given = {"base_url": self.base_url, **options}
        source = Source(tenant="t", server="forge", connector="github", options=given, secrets=secrets)
        self.opened.append(await self.connector.connect(source))
        return self.opened[-1]

    async def as_app(
        self, private_key: RSAPrivateKey | None = None, app_id: str = APP_ID, installation_id: str = INSTALLATION_ID
    ) -> DeclarativeConnection:
        secrets = {"private_key": pem_of(private_key or rsa_key())}
        return await self.connect(secrets, app_id=app_id, installation_id=installation_id)

    def sent(self, path: str) -> list[dict[str, object]]:
        """Return what the log has of requests to a path."""
        return [dict(record) for record in self.application[SIMULATION].log.to_json() if record["path"] == path]


@pytest.fixture
async def world() -> AsyncIterator[World]:
    company = build_company(issues=50)
    made = World(application=web.Application())
    made.application = create_app(
        company, tokens=frozenset(TOKENS), clock=lambda: made.now_s, app_key=rsa_key().public_key()
    )
    simulator = await start_simulator(made.application)
    made.base_url = simulator.base_url
    yield made
    for each in made.opened:
        await each.disconnect()
    await simulator.stop()


async def labels(connection: DeclarativeConnection, scan: Scan = LABELS) -> int:
    return len(await rows_of(connection, scan, QUIET_CONTEXT))


@pytest.mark.parametrize("app_id", [APP_ID, CLIENT_ID])
async def test_an_installation_reads_what_a_person_reads(world: World, app_id: str) -> None:
    person = await world.connect({"token": TOKENS[0]})
    app = await world.as_app(app_id=app_id)
    assert await labels(app) == await labels(person) > 0
    assert await app.check() == "an installation"
    assert world.installation.granted_count == 1


async def test_a_token_of_an_installation_is_got_again_before_it_ends_and_when_it_is_taken_back(world: World) -> None:
    app, other = await world.as_app(), await world.as_app()
    assert await labels(app) == await labels(other)
    assert world.installation.granted_count == 1
    world.now_s += 3601
    assert await labels(app) > 0
    assert world.installation.granted_count == 2
    world.installation.revoke_all()
    assert await labels(other) > 0
    assert world.installation.granted_count == 3


REPOSITORIES = GITHUB.tables["repositories"]
MINE = whole(REPOSITORIES, next(path for path in REPOSITORIES.table.access_paths if path.name == "mine"))


async def test_an_installation_reads_the_repositories_that_it_can_see(world: World) -> None:
    person, app = await world.connect({"token": TOKENS[0]}), await world.as_app()
    theirs, found = [await rows_of(each, MINE, QUIET_CONTEXT) for each in (person, app)]
    assert len(found) > 2
    assert sorted(row["id"] for row in found) == sorted(row["id"] for row in theirs)
    assert [record["query"] for record in world.sent(LISTING)] == [{"per_page": ["100"]}]


@pytest.mark.parametrize("direction", Direction)
async def test_what_an_installation_lists_without_an_order_is_sorted(world: World, direction: Direction) -> None:
    person, app = await world.connect({"token": TOKENS[0]}), await world.as_app()
    world.application[SIMULATION].configure({"page_rows_max": 2})
    wanted = replace(MINE, order=(SortKey(column="created_at", direction=direction),), limit=2)
    theirs, found = [await rows_of(each, wanted, QUIET_CONTEXT) for each in (person, app)]
    assert [row["created_at"] for row in found] == [row["created_at"] for row in theirs]
    assert len(world.sent(LISTING)) > 1


async def test_an_installation_tells_the_sizes_of_tables(world: World) -> None:
    person, app = await world.connect({"token": TOKENS[0]}), await world.as_app()
    for name in ("repositories", "issues"):
        assert await app.measure(name, QUIET_CONTEXT) == await person.measure(name, QUIET_CONTEXT)


async def test_a_personal_token_has_no_installation(world: World) -> None:
    person = await world.connect({"token": TOKENS[0]})
    with pytest.raises(Fatal) as denied:
        await person.transport.send(Request(template=LISTING, path=LISTING), QUIET_CONTEXT)
    assert denied.value.sqlstate == "42501"


@pytest.mark.parametrize(
    "wrong",
    [{"private_key": rsa_key(1)}, {"app_id": "1"}, {"installation_id": "1"}],
    ids=["key", "app", "installation"],
)
async def test_an_app_that_is_not_the_one_is_rejected(world: World, wrong: dict[str, object]) -> None:
    app = await world.as_app(**wrong)  # type: ignore[arg-type]
    with pytest.raises(CredentialsRejected) as rejected:
        await labels(app)
    assert "PRIVATE" not in f"{rejected.value.message} {rejected.value.detail} {rejected.value.hint}"
    assert world.installation.granted_count == 0


async def test_an_assertion_from_a_clock_that_is_wrong_is_rejected(world: World) -> None:
    slow = DeclarativeConnector(GITHUB, LOCAL_SETTINGS, Surroundings(now_s=lambda: world.now_s - 3600))
    world.connector = slow
    with pytest.raises(CredentialsRejected):
        await labels(await world.as_app())


async def test_a_pool_keeps_a_reserve_of_each_token_and_says_when_all_are_used_up(world: World) -> None:
    world.application[SIMULATION].configure({"rate_limit": {"limit": 103, "window_s": 3600}})
    pool = await world.connect({"tokens": " ".join(TOKENS)})
    # Pages of another size each, because what is known by its entity tag is not counted.
    for rows in range(1, 7):
        assert await labels(pool, replace(LABELS, limit=rows)) == rows
    with pytest.raises(RateLimited, match='the 2 tokens of server "forge" are used up'):
        await labels(pool)
    assert len(world.sent("/repos/acme/web/labels")) == 6
    world.now_s += 3601
    assert await labels(pool) > 0


async def test_a_pool_gives_a_token_up_that_is_rejected(world: World) -> None:
    pool = await world.connect({"tokens": f"ghp_revoked {TOKENS[1]}"})
    assert await labels(pool) > 0
    assert await labels(pool) > 0
    statuses = [record["status"] for record in world.sent("/repos/acme/web/labels")]
    assert statuses.count(401) == 1
