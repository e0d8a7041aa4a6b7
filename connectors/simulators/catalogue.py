"""Every simulator there is by the name of its vendor, each open to one token."""

from __future__ import annotations

from importlib import import_module

from aiohttp import web

from connectors.simulators import github, jira, salesforce
from connectors.simulators.company import Company

PLAIN = ("gitlab", "hubspot", "notion", "pagerduty", "slack", "stripe", "zendesk")
"""Vendors whose simulator takes a company and a token; each is the module of its name."""

NAMES = tuple(sorted(("github", "jira", "linear", "salesforce", *PLAIN)))
EMAIL = "demo@acme.example"


def simulator_of(name: str, company: Company, *, token: str, email: str = EMAIL) -> web.Application:
    """Return the simulator of a vendor over a company.

    Raises:
        KeyError: there is none of that name.
    """
    if name == "github":
        return github.create_app(company, tokens=frozenset({token}))
    if name == "jira":
        return jira.create_app(company, email=email, api_token=token)
    if name == "linear":
        # graphql-core is a development dependency, which the other simulators do without.
        from connectors.simulators import linear

        return linear.create_app(company, api_key=token)
    if name == "salesforce":
        return salesforce.create_app(company, access_token=token, size=company.issues)
    if name not in PLAIN:
        raise KeyError(name)
    made: web.Application = import_module(f"connectors.simulators.{name}").create_app(company, token=token)
    return made
