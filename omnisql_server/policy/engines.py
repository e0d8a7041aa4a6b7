"""The policy of a server, by its settings."""

from __future__ import annotations

from omnisql_server.policy.decide import Policy
from omnisql_server.policy.embedded import EmbeddedEngine
from omnisql_server.policy.rules import load_rules
from omnisql_server.settings import PolicySettings


def open_policy(settings: PolicySettings) -> Policy:
    """Make the policy that settings name.

    Raises:
        ConfigurationInvalid: F0000, the policy file cannot be used.
    """
    return Policy(EmbeddedEngine(load_rules(settings.file).data))
