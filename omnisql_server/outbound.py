"""The bounds of connections to sources, and the way they leave, from the settings of the server."""

from __future__ import annotations

import ssl
from pathlib import Path

from connectors.sdk.addresses import Fence
from connectors.sdk.settings import Outbound, TransportSettings
from omnisql_server.errors import ConfigurationInvalid
from omnisql_server.networks import hosts_of, networks_of, proxy_of
from omnisql_server.settings import NetworkSettings, Settings


def transport_settings(settings: Settings) -> TransportSettings:
    """Give the settings of every connection to a source.

    Raises:
        ConfigurationInvalid: (F0000) the file of certificate authorities cannot be used.
    """
    given = settings.fetch
    return TransportSettings(
        read_timeout_s=given.request_timeout_s,
        total_timeout_s=max(given.request_timeout_s, TransportSettings().total_timeout_s),
        concurrency_max=given.concurrency_max,
        response_bytes_max=given.response_bytes_max,
        rate_wait_max_s=settings.limits.wait_max_s,
        outbound=_outbound(settings.network),
    )


def _outbound(given: NetworkSettings) -> Outbound:
    return Outbound(
        fence=Fence(allowed_networks=networks_of(given.allowed_networks)),
        proxy_url=proxy_of(given.proxy_url),
        proxy_resolves=given.proxy_resolves,
        no_proxy=hosts_of(given.no_proxy),
        tls=None if given.ca_file is None else _trusting(given.ca_file),
    )


def _trusting(ca_file: Path) -> ssl.SSLContext:
    """Trust a file of certificate authorities besides the system's."""
    context = ssl.create_default_context()
    try:
        context.load_verify_locations(cafile=ca_file)
    except OSError as error:
        # A file without a certificate is an ssl.SSLError, which is an OSError.
        raise ConfigurationInvalid(
            message="setting network.ca_file cannot be used",
            detail=f"{ca_file}: {error.strerror or 'it holds no certificate in PEM form'}.",
            hint="Name a file of certificates in PEM form that the server may read.",
        ) from error
    return context
