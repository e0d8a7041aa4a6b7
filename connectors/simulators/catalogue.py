"""Every simulator there is by the name of its vendor, each open to one token."""

from __future__ import annotations

from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Protocol

from aiohttp import web

from connectors.simulators import github, jira, salesforce
from connectors.simulators.company import Company

PLAIN = ("gitlab", "hubspot", "notion", "pagerduty", "slack", "stripe", "zendesk")
"""Vendors whose simulator takes a company and a token; each is the module of its name."""

NAMES = tuple(sorted(("github", "jira", "linear", "salesforce", *PLAIN)))
EMAIL = "demo@acme.example"


class Make(Protocol):
    """Makes a simulator over a company, open to one token."""

    def __call__(self, company: Company, *, token: str) -> web.Application: ...


def simulator_in(folder: Path, name: str) -> Make | None:
    """Return what `simulated_NAME.py` of a folder makes, None where there is no such file.

    Raises:
        Exception: whatever the file raises.
    """
    file = folder / f"simulated_{name}.py"
    if not file.is_file():
        return None
    specification = spec_from_file_location(file.stem, file)
    if specification is None or specification.loader is None:
        return None
    module = module_from_spec(specification)
    specification.loader.exec_module(module)
    made: Make = module.create_app
    return made


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
