"""`omnisql connector import openapi | airbyte`: manifests made of what others have written about an API."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

import yaml
from cyclopts import App, Parameter

from connectors.importing.airbyte import import_airbyte
from connectors.importing.openapi import import_openapi
from connectors.importing.report import Imported, Refused
from connectors.sdk.errors import ConnectorError
from connectors.sdk.outbound import document as fetched
from omnisql_server.commands.terminal import ExitCode, run
from omnisql_server.config import load_settings
from omnisql_server.errors import ConfigurationInvalid
from omnisql_server.outbound import transport_settings

_Repeated = Annotated[tuple[str, ...], Parameter(negative="")]
DOCUMENT_BYTES_MAX = 64 * 1024 * 1024

importing = App(name="import", help="Make manifests of OpenAPI descriptions and of Airbyte's low-code connectors.")


@importing.command
def openapi(document: str, /, *, name: str | None = None, table: _Repeated = ()) -> int:
    """Write a manifest of an OpenAPI description (3.0, 3.1; JSON or YAML) to stdout, and a report to stderr.

    Parameters
    ----------
    document
        A file, or a URL that begins with https://.
    name
        Name of the connector; the file's without it.
    table
        A table that is wanted, by the name in the report; may be given several times. All without it.
    """
    return _tell(_converted(lambda read: import_openapi(read, _name(document, name), table), document))


@importing.command
def airbyte(document: Path, /, *, name: str | None = None) -> int:
    """Write a manifest of a low-code manifest of Airbyte's to stdout, and a report to stderr.

    A stream that cannot be converted is refused, and the report names the component that stopped it.

    Parameters
    ----------
    document
        A file such as manifest.yaml; schemas that are files are looked for in the folder schemas beside it.
    name
        Name of the connector; that of the file's folder without it, without source- in front.
    """
    chosen = name or document.absolute().parent.name.lower().removeprefix("source-").removeprefix("source_")

    def schema_of(stream: str) -> Mapping[str, Any] | None:
        file = document.parent / "schemas" / f"{Path(stream).name}.json"
        return _read(str(file)) if file.is_file() else None

    return _tell(_converted(lambda read: import_airbyte(read, _name(chosen, None), schema_of), str(document)))


def _converted(convert: Any, document: str) -> Imported:
    try:
        imported: Imported = convert(_read(document))
    except Refused as refusal:
        raise ConfigurationInvalid(message=f"{document} cannot be imported", detail=f"{refusal}.") from refusal
    return imported


def _name(document: str, name: str | None) -> str:
    chosen = name or re.sub(r"[^a-z0-9]+", "_", Path(urlsplit(document).path).stem.lower()).strip("_")
    if re.fullmatch(r"[a-z][a-z0-9_]{0,62}", chosen) is None:
        raise ConfigurationInvalid(message="the connector needs a name", hint="Give it with --name, like acme_crm.")
    return chosen


def _read(document: str) -> Mapping[str, Any]:
    """Read a document in JSON or YAML.

    Raises:
        ConfigurationInvalid: it cannot be read, or is no object.
    """
    try:
        text = _text(document)
        read = json.loads(text) if text.lstrip()[:1] == "{" else yaml.load(text, Loader=yaml.CSafeLoader)
    except ConnectorError as failure:
        raise ConfigurationInvalid(
            message=f"{document} cannot be read", detail=f"{failure.message}.", hint=failure.hint
        ) from failure
    except (OSError, ValueError, yaml.YAMLError) as failure:
        raise ConfigurationInvalid(
            message=f"{document} cannot be read", detail=f"{type(failure).__name__}: {str(failure)[:200]}"
        ) from failure
    if not isinstance(read, Mapping):
        raise ConfigurationInvalid(message=f"{document} holds no object")
    return read


def _text(document: str) -> str:
    if "://" not in document:
        content = Path(document).read_bytes()
    elif document.startswith("https://"):
        settings = transport_settings(load_settings(None))
        content = run(fetched(document, replace(settings, response_bytes_max=DOCUMENT_BYTES_MAX)))
    else:
        raise ValueError("only files and https:// are read")
    if len(content) > DOCUMENT_BYTES_MAX:
        raise ValueError(f"it has more than {DOCUMENT_BYTES_MAX} bytes")
    return content.decode()


def _tell(imported: Imported) -> int:
    """Write the manifest to stdout and what became of each part to stderr."""
    for part in imported.parts:
        reason = part.refused or "; ".join(part.warnings)
        unused = f" [not used: {', '.join(part.unused)}]" if part.unused and part.refused is None else ""
        _say(f"{part.outcome}: {part.name} ({part.source}){f': {reason}' if reason else ''}{unused}")
    for note in imported.warnings:
        _say(f"note: {note}")
    counts = ", ".join(f"{imported.count(each)} {each}" for each in ("converted", "with warnings", "refused"))
    _say(f"{len(imported.parts)} found: {counts}")
    if imported.text is None:
        _say("no table is left, and nothing was written")
        return ExitCode.FAILED
    sys.stdout.write(imported.text)
    return ExitCode.OK


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")
