"""What lets a test's connector reach servers of this machine, which nothing else may."""

from __future__ import annotations

from ipaddress import ip_network

from connectors.sdk.addresses import Fence
from connectors.sdk.settings import Outbound, TransportSettings

LOOPBACK = Fence(allowed_networks=(ip_network("127.0.0.0/8"), ip_network("::1/128")))
TO_LOOPBACK = Outbound(fence=LOOPBACK)
LOCAL_SETTINGS = TransportSettings(outbound=TO_LOOPBACK)
