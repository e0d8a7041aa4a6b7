"""What a manifest makes of an account: the options of a source, and the requests that prove its credential."""

from __future__ import annotations

from collections.abc import Mapping

from connectors.declarative.checks import PLACEHOLDER
from connectors.declarative.manifest import Manifest
from connectors.declarative.requests import bucket_of, graphql_request
from connectors.sdk.connector import Option
from connectors.sdk.errors import Fatal
from connectors.sdk.extract import path
from connectors.sdk.quiet import QUIET_CONTEXT
from connectors.sdk.request import Request, filled
from connectors.sdk.transport import Transport


def options_of(manifest: Manifest) -> tuple[Option, ...]:
    """Return the options and secrets of a source, the address first."""
    address = Option(
        name="base_url",
        description=manifest.base_url_description or f"Address of the API of {manifest.title}.",
        audience=True,
        required=manifest.base_url is None,
        default=manifest.base_url,
    )
    version = manifest.api_version
    versions = (
        [Option(name="api_version", description="Version of the API to ask for.", default=version.default)]
        if version
        else []
    )
    declared = [
        Option(
            name=name,
            description=each.description,
            required=each.required,
            default=each.default,
            secret=secret,
        )
        for group, secret in ((manifest.options, False), (manifest.secrets, True))
        for name, each in group.items()
    ]
    return (address, *versions, *declared)


async def checked(manifest: Manifest, transport: Transport, options: Mapping[str, str]) -> str:
    """Prove that a credential works and return whose it is.

    Raises:
        CredentialsRejected: SQLSTATE 28000, it does not.
    """
    if manifest.check.graphql is not None:
        request = graphql_request(manifest, manifest.check.graphql, {})
    else:
        request = check_request(manifest, manifest.check.request or "", options)
    try:
        response = await transport.send(request, QUIET_CONTEXT)
    except Fatal as denied:
        if denied.sqlstate != "42501" or manifest.check.denied is None:
            raise
        await transport.send(check_request(manifest, manifest.check.denied.request, options), QUIET_CONTEXT)
        return manifest.check.denied.says
    if manifest.check.shows is None:
        return f"an account of {manifest.title}"
    return str(path(manifest.check.shows)(response.body))


def check_request(manifest: Manifest, text: str, options: Mapping[str, str]) -> Request:
    """Return a request written like `GET /me?limit=1`, options in braces, whose answer is not kept."""
    method, _, place = text.partition(" ")
    where, _, query = place.partition("?")
    pairs = (part.partition("=") for part in query.split("&"))
    return Request(
        template=where,
        path=filled(where, **options),
        method=method,
        parameters=tuple(
            (name, PLACEHOLDER.sub(lambda found: options[found.group(1)], value)) for name, _, value in pairs if name
        ),
        accept=manifest.accept,
        bucket=bucket_of(manifest),
        conditional=False,
    )
