"""The requester, authenticator and paginator of a low-code stream as parts of a manifest. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from connectors.importing.airbyte_text import Names, constant, last_row_steps, negated_response, response_steps
from connectors.importing.columns import path_to
from connectors.importing.report import Part, Refused

_LINK = re.compile(r"\{\{\s*headers(?:\.link|\[['\"][Ll]ink['\"]\])(?:\.next|\[['\"]next['\"]\])\S*\s*\}\}")
_LINK_CURSOR = re.compile(
    r"""\{\{\s*headers\[['"][Ll]ink['"]\](?:\.get\(['"]next['"],\s*\{\}\)|\[['"]next['"]\])
    (?:\.get\(['"]cursor['"],\s*\{\}\)|\[['"]cursor['"]\])\s*\}\}""",
    re.VERBOSE,
)
_LINK_STOP = re.compile(
    r"""\{\{\s*headers\[['"][Ll]ink['"]\]\[['"]next['"]\]\[['"](\w+)['"]\]\s*==\s*['"]false['"]\s*\}\}"""
)
_ROWS_MAX = 100


def refuse_custom(component: object, what: str, allowed: tuple[str, ...]) -> None:
    """Refuse a component that is code of somebody's, or of a kind that has no counterpart.

    Raises:
        Refused: naming it.
    """
    if not isinstance(component, Mapping):
        return
    if "class_name" in component or str(component.get("type", "")).startswith("Custom"):
        raise Refused(f"{what} {component.get('class_name', component.get('type'))} is code")
    if component.get("type") not in {None, *allowed}:
        raise Refused(f"{what} {component['type']} has no counterpart")


def address_of(requester: Mapping[str, Any]) -> tuple[str, str]:
    """Return where a requester asks: the address that requests are below, and the path of this one.

    Raises:
        Refused: no address is told.
    """
    base = str(requester.get("url_base") or "")
    path = str(requester.get("path") or "")
    if requester.get("url"):
        whole = str(requester["url"])
        match = re.match(r"(https?://[^/]+)(/.*)?$", whole)
        if match is None:
            raise Refused(f"url {whole} does not begin with an address")
        base, path = match[1], (match[2] or "/") + (f"/{path.lstrip('/')}" if path else "")
    if not base:
        raise Refused("its requester tells no address")
    return base.rstrip("/"), "/" + path.strip("/")


def authentications(authenticator: object, base: str, names: Names, notes: list[str]) -> list[dict[str, Any]]:
    """Return the ways to prove oneself that an authenticator allows.

    Raises:
        Refused: there is none.
    """
    known = (
        "BearerAuthenticator", "ApiKeyAuthenticator", "BasicHttpAuthenticator", "OAuthAuthenticator",
        "SelectiveAuthenticator", "NoAuth",
    )  # fmt: skip
    refuse_custom(authenticator, "authenticator", known)
    if not isinstance(authenticator, Mapping) or authenticator.get("type") in {None, "NoAuth"}:
        return []
    kind = authenticator["type"]
    if kind == "SelectiveAuthenticator":
        found = []
        for each in (authenticator.get("authenticators") or {}).values():
            try:
                found += authentications(each, base, names, notes)
            except Refused as refusal:
                notes.append(str(refusal))
        if not found:
            raise Refused("none of its authenticators has a counterpart")
        return found
    if kind == "BearerAuthenticator":
        return [{"kind": "header", "value": f"Bearer {names.placeholders(authenticator.get('api_token', ''))}"}]
    if kind == "BasicHttpAuthenticator":
        user, password = (names.placeholders(authenticator.get(each, "")) for each in ("username", "password"))
        return [{"kind": "basic", "user": user, "password": password}]
    if kind == "ApiKeyAuthenticator":
        return [_api_key(authenticator, names)]
    return [_oauth(authenticator, base, names, notes)]


def _api_key(authenticator: Mapping[str, Any], names: Names) -> dict[str, Any]:
    option = authenticator.get("inject_into") or {}
    if not isinstance(option, Mapping):
        option = {}
    if option and option.get("inject_into") != "header":
        raise Refused("ApiKeyAuthenticator puts the key into the address, where it would be logged")
    header = option.get("field_name") or authenticator.get("header") or "Authorization"
    return {"kind": "header", "header": str(header), "value": names.placeholders(authenticator.get("api_token", ""))}


def _oauth(authenticator: Mapping[str, Any], base: str, names: Names, notes: list[str]) -> dict[str, Any]:
    endpoint = str(authenticator.get("token_refresh_endpoint") or "")
    grant = str(authenticator.get("grant_type") or "refresh_token")
    if not constant(endpoint) or urlsplit(endpoint).hostname != urlsplit(base).hostname or grant not in {
        "refresh_token", "client_credentials",
    }:  # fmt: skip
        notes.append(
            f"OAuth at {endpoint or 'an unknown address'} is not used: an access token has to be got elsewhere"
        )
        return {"kind": "header", "value": f"Bearer {{{names.option(['access_token'])}}}"}
    way = {
        "kind": "oauth2",
        "grant": grant,
        "token_path": urlsplit(endpoint).path or "/",
        "client_id": names.placeholders(authenticator.get("client_id", "")),
        "client_secret": names.placeholders(authenticator.get("client_secret", "")),
    }
    if grant == "refresh_token":
        way["refresh_token"] = names.placeholders(authenticator.get("refresh_token", ""))
    return way


def pagination_of(paginator: object, rows_path: str, part: Part) -> dict[str, Any]:
    """Return the pagination of a stream.

    Raises:
        Refused: it is code, or goes on by something that has no counterpart.
    """
    refuse_custom(paginator, "paginator", ("DefaultPaginator", "NoPagination"))
    if not isinstance(paginator, Mapping) or paginator.get("type") == "NoPagination":
        return {"kind": "none"}
    strategy = paginator.get("pagination_strategy") or {}
    refuse_custom(strategy, "pagination strategy", ("PageIncrement", "OffsetIncrement", "CursorPagination"))
    size = paginator.get("page_size_option") or {}
    rows = strategy.get("page_size")
    common: dict[str, Any] = {"rows_max": rows if isinstance(rows, int) and rows > 0 else _ROWS_MAX}
    if isinstance(size, Mapping) and size.get("field_name"):
        common["size"] = _sent(size)
    token = paginator.get("page_token_option") or {}
    kind = strategy.get("type")
    if isinstance(token, Mapping) and token.get("type") == "RequestPath":
        return {**_address(strategy, part), **common}
    if kind == "PageIncrement":
        first = strategy.get("start_from_page", 0)
        return {"kind": "page", "send": _sent(token), "first": first if isinstance(first, int) else 1, **common}
    if kind == "OffsetIncrement":
        return {"kind": "offset", "send": _sent(token), **common}
    return {**_cursor(strategy, token, rows_path, part), **common}


def _address(strategy: Mapping[str, Any], part: Part) -> dict[str, Any]:
    value = strategy.get("cursor_value", "")
    if _LINK.fullmatch(str(value).strip()):
        return {"kind": "link"}
    steps = response_steps(value)
    if steps is None:
        raise Refused(f"pagination by {value}")
    _told_stop(strategy, steps, part)
    return {"kind": "next_url", "next": path_to(*steps)}


def _cursor(strategy: Mapping[str, Any], token: Mapping[str, Any], rows_path: str, part: Part) -> dict[str, Any]:
    value = strategy.get("cursor_value", "")
    if _LINK_CURSOR.fullmatch(str(value).strip()):
        stop = _LINK_STOP.fullmatch(str(strategy.get("stop_condition", "")).strip())
        return {"kind": "link", **({"more": stop[1]} if stop else {})}
    more = negated_response(strategy.get("stop_condition", ""))
    told = {"more": more} if more else {}
    if (steps := response_steps(value)) is not None:
        if not more:
            _told_stop(strategy, steps, part)
        return {"kind": "cursor", "send": _sent(token), "next": path_to(*steps), **told}
    if (steps := last_row_steps(value, rows_path)) is not None and more:
        return {"kind": "cursor", "send": _sent(token), "last": path_to(*steps), **told}
    raise Refused(f"pagination by {value}")


def _told_stop(strategy: Mapping[str, Any], steps: list[str], part: Part) -> None:
    """Tell of a condition to stop that says more than that nothing leads further."""
    stop = strategy.get("stop_condition")
    if stop and "response" in str(stop) and " in " not in str(stop) and steps[-1] not in str(stop):
        part.warnings.append(f"it goes on until nothing leads further, instead of stopping at {stop}")


def _sent(option: Mapping[str, Any]) -> str:
    """Return the name of the parameter that an option is sent as."""
    path = option.get("field_path")
    name = option.get("field_name") or (path[0] if isinstance(path, list) and len(path) == 1 else None)
    if not name or option.get("inject_into") not in {None, "request_parameter", "body_json"} or not constant(name):
        raise Refused(f"request option {option.get('field_name') or path} into {option.get('inject_into')}")
    return str(name)
