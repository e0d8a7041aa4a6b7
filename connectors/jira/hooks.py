"""What Jira's manifest cannot say: JQL, values that a site does not know, custom fields, refusals and sizes."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from connectors.declarative.hooks import Found, Hooks, Site
from connectors.jira.fields import FIELDS, custom_fields
from connectors.jira.jql import JQL, UNRESTRICTED, has_plain_words, has_words
from connectors.jira.judge import judge
from connectors.jira.searching import TO_KNOWN_VALUES, asked, objects
from connectors.sdk.connector import FetchContext
from connectors.sdk.extract import path
from connectors.sdk.request import Request
from connectors.sdk.sizes import TableSize, rows_by_total
from connectors.sdk.transport import Transport

COUNT = "/rest/api/3/search/approximate-count"
_COUNTED = {"projects": "/rest/api/3/project/search", "boards": "/rest/agile/1.0/board"}


async def discover(site: Site, known: Mapping[str, frozenset[str]]) -> Found:
    """Ask the site for its custom fields."""
    return custom_fields(objects(await site.send(asked(FIELDS)), FIELDS), known["issues"])


async def measure(transport: Transport, table: str, context: FetchContext) -> TableSize | None:
    """Ask for a table's size in one call: issues are counted, other listings tell their total."""
    if table == "issues":
        body = msgspec.json.encode({"jql": UNRESTRICTED})
        request = Request(template=COUNT, path=COUNT, method="POST", body=body, conditional=False, bucket="burst")
        rows = rows_by_total(await transport.send(request, context), path("count"))
    elif table not in _COUNTED:
        return None
    else:
        template = _COUNTED[table]
        smallest = (("maxResults", "1"),)
        request = Request(template=template, path=template, parameters=smallest, conditional=False, bucket="burst")
        rows = rows_by_total(await transport.send(request, context))
    return None if rows is None else TableSize(rows=rows)


HOOKS = Hooks(
    judge={"refusals": judge},
    takes={"words": has_words, "plain_words": has_plain_words},
    dialects={"jql": JQL},
    narrow={"to_known_values": TO_KNOWN_VALUES},
    discover={"custom_fields": discover},
    measure={"sizes": measure},
)
