"""What GitHub's manifest cannot say: names in two parts, owners that are users, refusals, counts and sizes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from connectors.declarative.hooks import Counting, Hooks, Other, Site
from connectors.github.aliases import Place, detailed
from connectors.github.counts import count_request, counted_rows
from connectors.github.judge import judge
from connectors.github.sizes import INSTALLATION, PER_PAGE_MAX, measure
from connectors.sdk.decode import Row
from connectors.sdk.errors import EmptyResult, Fatal
from connectors.sdk.extract import path
from connectors.sdk.pagination import Reader
from connectors.sdk.request import Request, filled
from connectors.sdk.scan import Scan, Value

_LOGIN = path("login")


def owner_and_name(keys: Mapping[str, Value]) -> Mapping[str, object]:
    """Return the two parts of a repository's full name.

    Raises:
        EmptyResult: it has another number of parts, which no repository's name has.
    """
    owner, slash, repo = str(keys["full_name"]).partition("/")
    if not slash or "/" in repo:
        raise EmptyResult(message="no repository has a name of this form")
    return {"owner": owner, "repo": repo}


async def repositories_of_user(site: Site, scan: Scan, listing: Request) -> Other:
    """Return the listing of repositories of an owner that is no organization."""
    owner = scan.keys["owner"]
    kept = tuple((name, text) for name, text in listing.parameters if name != "type")
    if (await _own_login(site, listing)).casefold() == str(owner).casefold():
        # Only the listing of one's own account shows private repositories.
        own = (("affiliation", "owner"), *kept)
        return Other(request=replace(listing, template="/user/repos", path="/user/repos", parameters=own))
    template = "/users/{username}/repos"
    return Other(request=replace(listing, template=template, path=filled(template, username=owner), parameters=kept))


async def repositories_of_installation(site: Site, scan: Scan, listing: Request) -> Other:  # noqa: ARG001 - a hook's
    """Return the listing of the repositories of an App's installation, which has no parameters but those of pages.

    After `GET /installation/repositories` of https://docs.github.com/en/rest/apps/installations.
    """
    # To be sorted, all of them are read.
    pages = tuple(each for each in listing.parameters if each[0] == "per_page")
    pages = (("per_page", str(PER_PAGE_MAX)),) if scan.order else pages
    request = replace(listing, template=INSTALLATION, path=INSTALLATION, parameters=pages)
    return Other(request=request, rows=path("repositories"), keeps_order=False)


async def _own_login(site: Site, listing: Request) -> str:
    if "login" not in site.known:
        try:
            answer = await site.send(replace(listing, template="/user", path="/user", parameters=()))
            site.known["login"] = str(_LOGIN(answer.body))
        except Fatal as denied:
            if denied.sqlstate != "42501":
                raise
            # An installation token has no user.
            site.known["login"] = ""
    return str(site.known["login"])


async def details_of_pulls(reader: Reader, scan: Scan, rows: Sequence[Row], base_url: str) -> None:
    """Attach what the listing of pull requests lacks."""

    def place_of(row: Row) -> Place:
        # Rows read before name their own repository.
        found = scan.keys or row
        return str(found["owner"]), str(found["repo"]), int(str(row["number"]))

    await detailed(reader, rows, scan.columns, place_of, base_url)


HOOKS = Hooks(
    judge={"refusals": judge},
    keys_from={"full_name": owner_and_name},
    instead={"user": repositories_of_user, "installation": repositories_of_installation},
    counts={"by_state": Counting(request=count_request, rows=counted_rows)},
    together={"details": details_of_pulls},
    measure={"sizes": measure},
)
