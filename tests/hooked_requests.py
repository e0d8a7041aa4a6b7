"""Every request that the connectors of GitHub and Jira can build, what their hooks build included."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

from connectors.declarative.discovering import extended
from connectors.declarative.hooks import Site
from connectors.declarative.readings import readings
from connectors.declarative.requests import hydrate_request, spelling_request, with_cursor
from connectors.github.hooks import repositories_of_installation, repositories_of_user
from connectors.jira.fields import FIELDS, custom_fields
from connectors.jira.searching import VOCABULARIES, asked
from connectors.registry import manifest_named
from connectors.sdk.grades import grade_of
from connectors.sdk.request import Request, Response
from connectors.sdk.scan import Operator, Predicate, Scan, SortKey, Value
from connectors.sdk.table import AccessPath, Grade, Table

GITHUB = manifest_named("github")
MOMENT = datetime(2026, 1, 2, 3, 4, 5, 600_000, tzinfo=UTC)
KEYS: dict[str, Value] = {
    "owner": "acme", "repo": "web", "name": "web", "full_name": "acme/web", "number": 7, "issue_number": 7,
    "sha": "0123456789abcdef0123456789abcdef01234567", "org": "acme", "key": "WEB-1", "issue_key": "WEB-1",
    "board_id": 1, "query": "is:open crash",
}  # fmt: skip
SAMPLES: dict[str, list[Value]] = {
    "text": ["open", "completed", "success", "admin", "scrum", "software", "active", "main", "a@b.example",
             "WEB-1", "To Do", "% two words %", "5b10ac8d82e05b22cc7d4ef5",
             'quote " and \\ and \n and \x07 and \U0001f600'],
    "text[]": [("bug", "good first issue")],
    "bool": [True, False],
    "int4": [3],
    "int8": [3],
    "float8": [3.5, -2.0, 1e-7],
    "timestamptz": [MOMENT],
    "date": [date(2026, 1, 2)],
}  # fmt: skip
CUSTOM = [
    {"id": f"customfield_{10000 + at}", "name": f"Field {at}", "custom": True, "schema": {"type": kind}}
    for at, kind in enumerate(("number", "date", "datetime", "option", "user", "string"))
]


JIRA = extended(
    manifest_named("jira"), custom_fields(CUSTOM, frozenset(manifest_named("jira").tables["issues"].columns))
)


def scans(table: Table) -> Iterator[Scan]:
    """Every access path alone, with each pushdown, each order and a limit."""
    columns = tuple(column.name for column in table.columns)
    for path in table.access_paths:
        keys = {name: KEYS[name] for name in path.keys}
        bare = Scan(table=table.name, access_path=path.name, columns=columns, keys=keys)
        yield bare
        yield replace(bare, limit=3)
        yield from (replace(bare, predicates=(predicate,)) for predicate in predicates(table, path))
        for column, directions in path.order.items():
            yield from (replace(bare, order=(SortKey(column=column, direction=each),)) for each in directions)


def predicates(table: Table, path: AccessPath) -> Iterator[Predicate]:
    for name, operators in path.operators.items():
        for operator, pushdown in operators.items():
            for sample in SAMPLES[table.column(name).type_name]:
                value: Value = (sample,) if operator in {Operator.IN, Operator.NOT_IN} else sample
                value = None if operator in {Operator.IS_NULL, Operator.IS_NOT_NULL} else value
                predicate = Predicate(column=name, operator=operator, value=value)
                is_known = pushdown.values is None or value in pushdown.values
                if is_known and grade_of(path, predicate) is not Grade.NONE:
                    yield predicate


def github_requests() -> list[Request]:
    found: list[Request] = []
    for table in GITHUB.tables.values():
        row: dict[str, Any] = {
            "base": {"repo": {"owner": {"login": "acme"}, "name": "web"}}, "number": 7, "sha": "0" * 40,
            "url": "https://api.github.com/repos/acme/web/commits/x",
        }  # fmt: skip
        found += [hydrate_request(GITHUB.manifest, table, each, row) for each in table.hydrate]
        for scan in scans(table.table):
            path = table.paths[scan.access_path]
            if path.counting is not None:
                continue
            listings = [reading.request for reading in readings(GITHUB, scan, {})]
            found += listings
            found += [spelling_request(GITHUB.manifest, path, key, scan) for key in path.spelled]
            if table.table.name == "repositories" and path.instead is not None:
                found += [asyncio.run(instead_of(scan, listings[0], login)) for login in ("acme", "ada")]
    return found


async def instead_of(scan: Scan, listing: Request, login: str) -> Request:
    other = repositories_of_user if "owner" in scan.keys else repositories_of_installation
    return (await other(Site(send=unasked, known={"login": login}), scan, listing)).request


async def unasked(request: Request) -> Response:
    raise AssertionError(request)


def jira_requests() -> list[Request]:
    found = [asked(template) for template in (FIELDS, *VOCABULARIES.values())]
    for table in JIRA.tables.values():
        for scan in scans(table.table):
            (reading,) = readings(JIRA, scan, {})
            found.append(reading.request)
            if scan.table == "issues":
                advance = with_cursor(table.paths[scan.access_path], "nextPageToken")
                found.append(advance(reading.request, "token"))
    return found
