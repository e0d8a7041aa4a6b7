"""An OpenAPI description (3.0, 3.1) as a manifest: what lists objects becomes a table. Pure.

A parameter named like a column narrows a listing and is pushed as a superset; what is not understood is told.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from connectors.importing import paging
from connectors.importing.accounts import account_of
from connectors.importing.columns import Found, columns_of, path_to, snake
from connectors.importing.narrowing import Narrowed, narrowed
from connectors.importing.report import Imported, Part, Refused, finished
from connectors.importing.resolving import Resolver

KNOWN_ROWS = (
    "data", "items", "results", "values", "value", "records", "entries", "objects", "elements", "rows", "content",
)  # fmt: skip
_KEYS = ("id", "uuid", "guid", "gid", "key", "sha")
_NUMBERS = frozenset({"id", "uuid", "guid", "gid"})
_NO_TABLE = re.compile(r"v[0-9.]+|api|rest|latest|[^a-zA-Z]*")
_PLACE = re.compile(r"\{([^{}]+)\}")
_ACCOUNTS = ("/me", "/user", "/users/me", "/account", "/myself", "/whoami", "/profile")


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """A path that gives a list of objects."""

    path: str
    operation: Mapping[str, Any]
    body: Mapping[str, Any]
    rows: str
    item: Mapping[str, Any]
    has_link: bool
    guessed: str | None = None


def import_openapi(document: Mapping[str, Any], name: str, only: Sequence[str] = ()) -> Imported:
    """Convert a description; `only` are the names of the tables that are wanted, all without it.

    Raises:
        Refused: it is no OpenAPI description of version 3.
    """
    if not str(document.get("openapi", "")).startswith("3."):
        raise Refused("it is no OpenAPI description of version 3; older ones can be converted by other tools")
    resolver = Resolver(document)
    notes: list[str] = []
    head = _head(document, name, notes)
    parts: list[Part] = []
    tables: dict[str, Any] = {}
    keyed: dict[str, tuple[str, str]] = {}
    paths = document.get("paths") or {}
    for path in sorted(paths, key=lambda each: (each.count("/"), each)):
        part, declared = _converted(path, resolver, paths, {p.name for p in parts}, keyed)
        if part is None or (only and part.name not in only):
            continue
        parts.append(part)
        if declared is not None:
            tables[part.name] = declared
            keyed[path.rstrip("/")] = (part.name, declared["primary_key"][0])
    head["check"] = {"request": f"GET {_check_path(paths, tables, notes)}"}
    return finished(head, tables, parts, notes)


def _head(document: Mapping[str, Any], name: str, notes: list[str]) -> dict[str, Any]:
    info = document.get("info") or {}
    documentation = (document.get("externalDocs") or {}).get("url") or info.get("termsOfService") or "unknown"
    head: dict[str, Any] = {
        "omnisql": 1,
        "name": name,
        "title": str(info.get("title") or name),
        "documentation": str(documentation),
    }
    servers = document.get("servers") or []
    address = str(servers[0].get("url", "")) if servers else ""
    if urlsplit(address).scheme in {"http", "https"} and not _PLACE.search(address):
        head["base_url"] = address.rstrip("/")
    else:
        notes.append(f"no fixed address is told ({address or 'none'}): option base_url is required")
    return {**head, **account_of(document, notes)}


def _converted(
    path: str,
    resolver: Resolver,
    paths: Mapping[str, Any],
    taken: set[str],
    keyed: Mapping[str, tuple[str, str]],
) -> tuple[Part | None, dict[str, Any] | None]:
    """Return what becomes of a path: nothing, where it does not give a list."""
    item = resolver.at(paths[path])
    operation = resolver.at(item.get("get"))
    if not operation or operation.get("deprecated") is True:
        return None, None
    listing = _listing(path, operation, resolver) or _described_as_one(path, item, operation, resolver, paths)
    if listing is None:
        return None, None
    part = Part(name=_table_name(path, taken), source=f"GET {path}")
    part.warnings += [listing.guessed] if listing.guessed else []
    try:
        parameters = resolver.parameters(item, operation)
        return part, _table(listing, part, parameters, resolver, paths, keyed)
    except Refused as refusal:
        part.refused = str(refusal)
        return part, None


def _listing(path: str, operation: Mapping[str, Any], resolver: Resolver) -> Listing | None:
    """Return the list that an operation answers with, None when its answer is none."""
    answer = resolver.answer(operation)
    if answer is None:
        return None
    body, headers = answer
    has_link = any(name.lower() == "link" for name in headers)
    if body.get("type") == "array":
        rows, item = "", resolver.object_of(body.get("items"))
    else:
        found = _rows_property(path, body, resolver)
        if found is None:
            return None
        rows, item = found[0], dict(found[1])
    if item is None:
        return None
    return Listing(path=path, operation=operation, body=body, rows=rows, item=item, has_link=has_link)


def _described_as_one(
    path: str, item: Mapping[str, Any], operation: Mapping[str, Any], resolver: Resolver, paths: Mapping[str, Any]
) -> Listing | None:
    """Return the list of what is described as one object, as some generators do: pages are asked for, or one of it."""
    answer = resolver.answer(operation)
    if answer is None or path.rstrip("/").endswith("}"):
        return None
    body, headers = answer
    # What has no number of its own is no row, but an envelope of rows, a setting or a file.
    if not {snake(str(name)) for name in body.get("properties") or {}} & _NUMBERS:
        return None
    sent = {str(each["name"]) for each in resolver.parameters(item, operation) if each.get("in") == "query"}
    pages = sorted(sent & {*paging.PAGES, *paging.OFFSETS})
    if not pages and not _is_below(path, body, resolver, paths):
        return None
    reason = f"it takes {pages[0]}" if pages else "one of the same is below it"
    return Listing(
        path=path,
        operation=operation,
        body={"type": "array", "items": body},
        rows="",
        item=body,
        has_link=any(name.lower() == "link" for name in headers),
        guessed=f"its answer is described as one object and taken for a list of them, because {reason}",
    )


def _is_below(path: str, body: Mapping[str, Any], resolver: Resolver, paths: Mapping[str, Any]) -> bool:
    """Say whether a path to one, like `/things/{id}` below `/things`, has the same answer."""
    for other, item in paths.items():
        parent, _, last = other.rstrip("/").rpartition("/")
        if parent == path.rstrip("/") and _PLACE.fullmatch(last):
            answer = resolver.answer(resolver.at(resolver.at(item).get("get")))
            if answer is not None and answer[0] == body:
                return True
    return False


def _rows_property(path: str, body: Mapping[str, Any], resolver: Resolver) -> tuple[str, Mapping[str, Any]] | None:
    lists: dict[str, Mapping[str, Any]] = {}
    for name, schema in (body.get("properties") or {}).items():
        described = resolver.at(schema)
        item = resolver.object_of(described.get("items")) if described.get("type") == "array" else None
        if item is not None:
            lists[name] = item
    last = next((part for part in reversed(path.split("/")) if part and not part.startswith("{")), "")
    if path.rstrip("/").endswith("}"):
        # One object, which may have lists of others.
        return None
    for name in (last, last.removesuffix(".json"), *KNOWN_ROWS):
        if name in lists:
            return path_to(name), lists[name]
    return None


def _table(
    listing: Listing,
    part: Part,
    parameters: Sequence[Mapping[str, Any]],
    resolver: Resolver,
    paths: Mapping[str, Any],
    keyed: Mapping[str, tuple[str, str]],
) -> dict[str, Any]:
    columns = columns_of(resolver.properties(listing.item), part)
    key = _primary_key(columns, part)
    request, keys = _keys(listing.path, parameters, columns, part)
    asked = {str(each["name"]): resolver.at(each.get("schema")) for each in parameters if each.get("in") == "query"}
    pagination, rows_max = paging.pagination_of(asked, resolver.deep(listing.body), listing.has_link, key, part)
    narrow = narrowed({n: s for n, s in asked.items() if n not in paging.NAMES}, parameters, columns, part)
    path: dict[str, Any] = {"request": f"GET {request}"}
    needed = {**keys, **narrow.keys}
    if needed:
        path |= {"keys": list(needed), "echo": list(needed), "empty": [404]}
    if narrow.inputs:
        path["inputs"] = narrow.inputs
    if rows_max is not None:
        path["rows_max"] = rows_max
    access = {"all" if not needed else f"by_{next(iter(needed))}": path}
    single = _single(listing.path, key, columns, resolver, paths) if not needed else None
    declared = {
        "description": _description(listing.operation, part),
        "primary_key": [*(name for name in keys if name not in key), *key] if keys else list(key),
        "columns": {**{n: f.declared for n, f in columns.items() if n not in needed}, **needed},
        **_pushed(narrow, needed),
        "pagination": pagination,
        **({"rows": listing.rows} if listing.rows else {}),
        "access_paths": {**({"by_key": single} if single else {}), **access},
    }
    references = _references(listing.path, keys, keyed)
    return {**declared, **({"references": references} if references else {})}


def _pushed(narrow: Narrowed, needed: Mapping[str, str]) -> dict[str, Any]:
    pushed = {name: operators for name, operators in narrow.pushdown.items() if name not in needed}
    return {"pushdown": pushed} if pushed else {}


def _primary_key(columns: Mapping[str, Found], part: Part) -> tuple[str, ...]:
    singular = part.name.rsplit("_", 1)[-1].removesuffix("s")
    for name in (*_KEYS, f"{singular}_id", f"{part.name.removesuffix('s')}_id"):
        if name in columns and columns[name].type_name in {"text", "int4", "int8"}:
            return (name,)
    raise Refused("no property is known to identify its rows (id, uuid, key ..)")


def _keys(
    path: str, parameters: Sequence[Mapping[str, Any]], columns: Mapping[str, Found], part: Part
) -> tuple[str, dict[str, str]]:
    """Return the path with the names of keys, and the types of these; each is a column that tells what was asked."""
    schemas = {str(each["name"]): each.get("schema") or {} for each in parameters if each.get("in") == "path"}
    keys: dict[str, str] = {}
    before = ""
    for segment in path.split("/"):
        for place in _PLACE.findall(segment):
            name = snake(place)
            if name is None:
                raise Refused(f"path parameter {place} has no name that a column could have")
            if name in {"id", "iid", "key", "uuid", "slug", "name"} or name in keys:
                name = f"{snake(before.removesuffix('s')) or 'path'}_{name}"
            if name in columns:
                part.warnings.append(f"column {name} tells the key that was asked for, not the property of that name")
            keys[name] = "int8" if schemas.get(place, {}).get("type") == "integer" else "text"
            path = path.replace(f"{{{place}}}", f"{{{name}}}", 1)
        if segment and not segment.startswith("{"):
            before = segment
    return path, keys


def _single(
    path: str, key: Sequence[str], columns: Mapping[str, Found], resolver: Resolver, paths: Mapping[str, Any]
) -> dict[str, Any] | None:
    """Return the path to one row by its key, where the description has one below the list."""
    for other, item in paths.items():
        parent, _, last = other.rstrip("/").rpartition("/")
        if parent != path.rstrip("/") or not _PLACE.fullmatch(last):
            continue
        answer = resolver.answer(resolver.at(resolver.at(item).get("get")))
        if answer is None:
            continue
        body = answer[0]
        properties = resolver.properties(body)
        place = last[1:-1]
        if columns[key[0]].path in properties and snake(place) in {key[0], f"{snake(_singular(path))}_{key[0]}"}:
            request = f"GET {parent}/{{{key[0]}}}"
            return {"request": request, "keys": list(key), "single": True, "rows": "", "empty": [404]}
    return None


def _singular(path: str) -> str:
    return path.rstrip("/").rsplit("/", 1)[-1].removesuffix("s")


def _references(path: str, keys: Mapping[str, str], keyed: Mapping[str, tuple[str, str]]) -> dict[str, str]:
    """Return where the values of keys are: in the table of the path before each."""
    found: dict[str, str] = {}
    places = list(_PLACE.finditer(path))
    for name, place in zip(keys, places, strict=True):
        parent = keyed.get(path[: place.start()].rstrip("/"))
        if parent is not None:
            found[name] = f"{parent[0]}.{parent[1]}"
    return found


def _table_name(path: str, taken: set[str]) -> str:
    steps = [step for step in path.removesuffix(".json").split("/") if not step.startswith("{")]
    plain = [word for step in steps if not _NO_TABLE.fullmatch(step) and (word := snake(step))] or ["rows"]
    for count in range(1, len(plain) + 1):
        chosen = plain[-count:]
        name = "_".join([*(word.removesuffix("s") for word in chosen[:-1]), chosen[-1]])[:50]
        if name not in taken and not name[0].isdigit():
            return name
    name = "_".join(plain)[:50]
    return next(f"{name}_{at}" for at in range(2, 10_000) if f"{name}_{at}" not in taken)


def _description(operation: Mapping[str, Any], part: Part) -> str:
    text = str(operation.get("summary") or operation.get("description") or part.source)
    line = text.strip().splitlines()[0].strip()[:200]
    return line if line.endswith(".") else f"{line}."


def _check_path(paths: Mapping[str, Any], tables: Mapping[str, Any], notes: list[str]) -> str:
    for path in sorted(paths, key=len):
        if path.endswith(_ACCOUNTS) and "{" not in path and "get" in paths[path]:
            return path
    free = [p["request"].removeprefix("GET ") for t in tables.values() for p in t["access_paths"].values()]
    chosen = next((request for request in free if "{" not in request), "/")
    notes.append(f"no request is known to tell whose a credential is; GET {chosen} proves it")
    return chosen
