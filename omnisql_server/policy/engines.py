"""The engine that settings name: an OPA server, or this process with the rules of a file."""

from __future__ import annotations

from omnisql_server.policy.decide import DecisionEngine, Policy
from omnisql_server.policy.embedded import EmbeddedEngine
from omnisql_server.policy.rules import load_rules
from omnisql_server.policy.server import ServerEngine
from omnisql_server.settings import PolicySettings


def policy_of(settings: PolicySettings) -> Policy:
    """Make the policy of a server.

    Raises:
        ConfigurationInvalid: F0000, the policy file cannot be used.
    """
    return Policy(engine_of(settings), kept_s=settings.decisions_kept_s)


def engine_of(settings: PolicySettings) -> DecisionEngine:
    """Make an engine; a server is not asked anything yet.

    Raises:
        ConfigurationInvalid: F0000, the policy file cannot be used.
    """
    if settings.server_url is not None:
        return ServerEngine(settings.server_url, timeout_s=settings.server_timeout_s, token=settings.server_token)
    return EmbeddedEngine(load_rules(settings.file).data)


def revision_of(settings: PolicySettings) -> str:
    """Name the rules of a policy file; empty where a server decides, which names its own with each decision.

    Raises:
        ConfigurationInvalid: F0000, the policy file cannot be used.
    """
    return "" if settings.server_url is not None else load_rules(settings.file).revision
