"""The security schemes of an OpenAPI description as a manifest's options, secrets and ways to prove oneself. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from connectors.importing.columns import snake
from connectors.importing.resolving import Resolver


def account_of(document: Mapping[str, Any], notes: list[str]) -> dict[str, Any]:
    """Return the parts `options`, `secrets` and `auth` of a manifest; what has no counterpart is noted."""
    schemes = (document.get("components") or {}).get("securitySchemes") or {}
    resolver = Resolver(document)
    options: dict[str, Any] = {}
    secrets: dict[str, Any] = {}
    auth: list[dict[str, Any]] = []
    for name, raw in schemes.items():
        way = _way(str(name), resolver.at(raw), options, secrets, _host(document))
        if isinstance(way, str):
            notes.append(f"security scheme {name}: {way}")
        else:
            auth.append(way)
    if not auth:
        notes.append("no security scheme can be used; a bearer token stands in its place and is to be corrected")
        secrets["token"] = {"description": "Token."}
        auth.append({"kind": "header", "value": "Bearer {token}"})
    return {**({"options": options} if options else {}), "secrets": secrets, "auth": auth}


def _way(
    name: str, scheme: Mapping[str, Any], options: dict[str, Any], secrets: dict[str, Any], host: str | None
) -> dict[str, Any] | str:
    """Return a way to prove oneself, or why there is none."""
    told = str(scheme.get("description") or f"For security scheme {name}.").strip().splitlines()[0][:200]
    kind, form = scheme.get("type"), str(scheme.get("scheme", "")).lower()
    if kind == "http" and form == "bearer":
        secrets["token"] = {"description": told}
        return {"kind": "header", "value": "Bearer {token}"}
    if kind == "http" and form == "basic":
        options["user"] = {"description": "User name."}
        secrets["password"] = {"description": told}
        return {"kind": "basic", "user": "{user}", "password": "{password}"}
    if kind == "apiKey" and scheme.get("in") == "header":
        secret = snake(name) or "api_key"
        secrets[secret] = {"description": told}
        return {"kind": "header", "header": str(scheme.get("name")), "value": f"{{{secret}}}"}
    if kind == "apiKey":
        return f"keys in a {scheme.get('in')} are not sent, because addresses are logged"
    if kind in {"oauth2", "openIdConnect"}:
        flow = (scheme.get("flows") or {}).get("clientCredentials")
        if isinstance(flow, Mapping) and urlsplit(str(flow.get("tokenUrl", ""))).hostname in {host, None}:
            options["client_id"] = {"description": "Client that is given access."}
            secrets["client_secret"] = {"description": "Its secret."}
            return {
                "kind": "oauth2", "grant": "client_credentials", "client_id": "{client_id}",
                "client_secret": "{client_secret}", "token_path": urlsplit(str(flow.get("tokenUrl"))).path or "/",
            }  # fmt: skip
        secrets["access_token"] = {"description": "Access token, got elsewhere."}
        return {"kind": "header", "value": "Bearer {access_token}"}
    return f"type {kind} has no counterpart"


def _host(document: Mapping[str, Any]) -> str | None:
    servers = document.get("servers") or [{}]
    return urlsplit(str(servers[0].get("url", ""))).hostname
