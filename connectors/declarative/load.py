"""Manifests from files: text to document to shape to names, each step refusing with file, line and column."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import msgspec

from connectors.declarative.account import always_given
from connectors.declarative.asking import read_query
from connectors.declarative.auths import OAuthGrant, auth_texts
from connectors.declarative.checks import hook_named, placeholders
from connectors.declarative.compile import compiled
from connectors.declarative.conform import conform
from connectors.declarative.document import CHARACTERS_MAX, Document, read_document, unreadable
from connectors.declarative.document import Path as Place
from connectors.declarative.hooks import NO_HOOKS, Hooks
from connectors.declarative.limits import check_limits
from connectors.declarative.manifest import Manifest
from connectors.declarative.readable import ReadableTable
from connectors.sdk.errors import ManifestInvalid

SUFFIX = ".yaml"
_READ_MAX = 4 * CHARACTERS_MAX
"""Bytes, of which UTF-8 takes four for a character at most."""

PACKAGED = "manifest"
"""What the file of a manifest with hooks is called, in the package of the connector's name."""

_KEPT = re.compile(r"(.+)\.v[1-9]\d*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """A manifest that holds together, its tables, and the hooks of its package, if it comes in one."""

    manifest: Manifest
    tables: Mapping[str, ReadableTable]
    hooks: Hooks = NO_HOOKS


def manifest_schema() -> dict[str, Any]:
    """Return the JSON Schema of manifests, for editors and for the loader."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **msgspec.json.schema(Manifest)}


def load_file(file: Path, hooks: Hooks | None = None) -> Loaded:
    """Load the manifest in a file, whose name must be the connector's; with hooks, its folder's, which is a package.

    Raises:
        ManifestInvalid: SQLSTATE HV00R, it is refused; the message tells file, line and column.
    """
    try:
        with file.open("rb") as opened:
            raw = opened.read(_READ_MAX + 1)
    except OSError as failure:
        raise ManifestInvalid(
            message=f"manifest {file.name} cannot be read", detail=type(failure).__name__
        ) from failure
    if len(raw) > _READ_MAX:
        raise ManifestInvalid(message=f"manifest {file.name} has more than {CHARACTERS_MAX} characters")
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as failure:
        before = raw[: failure.start].decode("utf-8")
        raise unreadable(file.name, before, "this is no UTF-8", "Save the file as UTF-8.") from None
    loaded = load_text(text, file.name, hooks or NO_HOOKS)
    named, stem = loaded.manifest.name, file.name.removesuffix(SUFFIX)
    if hooks is not None and named != file.parent.name:
        raise ManifestInvalid(
            message=f"manifest {file.name} declares connector {named}", hint=f"Call the folder {named}."
        )
    newest = named if hooks is None else PACKAGED
    wanted = f"{newest}.v{loaded.manifest.version}" if _KEPT.fullmatch(stem) else newest
    if stem != wanted:
        raise ManifestInvalid(
            message=f"manifest {file.name} declares version {loaded.manifest.version} of connector {named}",
            hint=f"Call the file {wanted}{SUFFIX}.",
        )
    return loaded


def kept_of(file: Path) -> str | None:
    """Return the connector that a manifest is an earlier version of, by its name NAME.vN.yaml; None for the newest."""
    kept = _KEPT.fullmatch(file.name.removesuffix(SUFFIX))
    return kept[1] if kept is not None else None


def load_earlier(newest: Loaded, folder: Path) -> tuple[Loaded, ...]:
    """Load the earlier versions of a manifest that are kept beside it, the oldest first.

    Raises:
        ManifestInvalid: SQLSTATE HV00R, one is refused, or is not earlier.
    """
    stem, hooks = (newest.manifest.name, None) if newest.hooks is NO_HOOKS else (PACKAGED, newest.hooks)
    found = [load_file(file, hooks) for file in sorted(folder.glob(f"{stem}.v*{SUFFIX}")) if kept_of(file)]
    for each in found:
        if each.manifest.version >= newest.manifest.version:
            raise ManifestInvalid(
                message=f"version {each.manifest.version} of {newest.manifest.name} is kept beside version"
                f" {newest.manifest.version}",
                hint=f"Raise version in {stem}{SUFFIX}.",
            )
    return tuple(sorted(found, key=lambda each: each.manifest.version))


def load_text(text: str, file: str, hooks: Hooks = NO_HOOKS) -> Loaded:
    """Load a manifest from its text; `file` is its name for people.

    Raises:
        ManifestInvalid: SQLSTATE HV00R, it is refused; the message tells file, line and column.
    """
    document = read_document(text, file)
    conform(document, _schema())
    manifest: Manifest = msgspec.convert(document.value, Manifest)
    _check_names(document, manifest)
    _check_hooks(document, manifest, hooks)
    check_limits(manifest, document.refusal)
    tables = compiled(manifest, hooks, document.refusal)
    _check_queries(document, manifest, tables)
    return Loaded(manifest=manifest, tables=tables, hooks=hooks)


@lru_cache(maxsize=1)
def _schema() -> dict[str, Any]:
    return manifest_schema()


def _check_names(document: Document, manifest: Manifest) -> None:
    if "base_url" in manifest.options or (manifest.api_version and "api_version" in manifest.options):
        raise document.refusal(("options",), "base_url and api_version are options already")
    if both := set(manifest.options) & set(manifest.secrets):
        raise document.refusal(("secrets", min(both)), f"{min(both)} is an option as well")
    known = {*manifest.options, *manifest.secrets}
    if manifest.secrets and not manifest.auth:
        raise document.refusal(("auth",), "no way to prove oneself uses the secrets", "Leave out secrets, or use them.")
    for at, auth in enumerate(manifest.auth):
        texts = auth_texts(auth)
        _check_placeholders(document, ("auth", at), texts, {*known, "base_url"})
        if not _names(texts) & set(manifest.secrets):
            raise document.refusal(("auth", at), "no secret is used here")
        if isinstance(auth, OAuthGrant) and (auth.grant == "refresh_token") is (auth.refresh_token is None):
            raise document.refusal(("auth", at), "refresh_token is for the grant of that name, which needs it")
    if (manifest.check.request is None) is (manifest.check.graphql is None):
        raise document.refusal(("check",), "one of request and graphql is wanted here")
    checks = (manifest.check.request or "", manifest.check.denied.request if manifest.check.denied else "")
    if unknown := sorted(_names(checks) - always_given(manifest.options)):
        raise document.refusal(("check",), f"{unknown[0]} is no option that is required or has a default")
    for at, rule in enumerate(manifest.errors):
        if rule.at is None and not rule.status:
            raise document.refusal(("errors", at), "a rule is for a status, or for what stands at a path")


def _check_hooks(document: Document, manifest: Manifest, hooks: Hooks) -> None:
    if manifest.judge is not None:
        hook_named(hooks.judge, manifest.judge, partial(document.refusal, ("judge",)))
    if manifest.discover is not None:
        hook_named(hooks.discover, manifest.discover, partial(document.refusal, ("discover",)))
    if manifest.measure is not None:
        hook_named(hooks.measure, manifest.measure, partial(document.refusal, ("measure",)))


def _check_queries(document: Document, manifest: Manifest, tables: Mapping[str, ReadableTable]) -> None:
    for name, declared in manifest.tables.items():
        for at, query in enumerate(declared.tests):
            try:
                read_query(query.sql, tables[name].table)
            except ManifestInvalid as error:
                raise document.refusal(("tables", name, "tests", at, "sql"), error.message, error.hint) from None


def _check_placeholders(document: Document, place: Place, texts: tuple[str, ...], known: set[str]) -> None:
    if unknown := sorted(_names(texts) - known):
        raise document.refusal(
            place, f"{unknown[0]} is no option and no secret", f"Allowed: {', '.join(sorted(known))}."
        )


def _names(texts: tuple[str, ...]) -> set[str]:
    return {name for text in texts for name in placeholders(text)}
