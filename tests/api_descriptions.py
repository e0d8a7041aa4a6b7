"""Reading vendors' descriptions of their APIs (OpenAPI 2 and 3), as far as requests and answers are judged by them.

The descriptions are third-party files that are not part of the project: they are read from the folder `shared/specs`
beside the checkout. Where one is missing, or a vendor has none, what needs it is not judged. That of GitLab there is of
its API v3, which is another than the v4 that is spoken here, so that none is read for GitLab.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

SPECIFICATIONS = Path(__file__).parents[2] / "shared" / "specs"
FILES: dict[str, tuple[str, ...]] = {
    "github": ("github-openapi.json.gz",),
    "hubspot": tuple(f"hubspot-{kind}.json.gz" for kind in ("contacts", "companies", "deals", "tickets", "owners")),
    "jira": ("jira-v3-openapi.json.gz",),
    "pagerduty": ("pagerduty-openapi.json.gz",),
    "slack": ("slack-openapi-v2.json.gz",),
    "zendesk": ("zendesk-support-openapi.json.gz",),
}


@lru_cache
def read(file: str) -> dict[str, Any] | None:
    """Return one description, or None where it is not there."""
    where = SPECIFICATIONS / file
    return json.loads(gzip.decompress(where.read_bytes())) if where.is_file() else None


def choices(document: Mapping[str, Any], parameter: Mapping[str, Any]) -> list[str]:
    """Return the closed set of values of a parameter; empty where it has none."""
    schema = resolved(document, parameter.get("schema") or parameter)
    inner = resolved(document, schema.get("items") or {})
    return [str(each) for each in schema.get("enum") or inner.get("enum") or []]


def resolved(document: Mapping[str, Any], found: Mapping[str, Any]) -> Mapping[str, Any]:
    """Follow references until something stands there itself."""
    while "$ref" in found:
        target: Any = document
        for part in found["$ref"].removeprefix("#/").split("/"):
            target = target[int(part) if isinstance(target, list) else part.replace("~1", "/").replace("~0", "~")]
        found = target
    return found
