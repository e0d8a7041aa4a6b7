"""Jira Cloud's REST API, version 3, and the parts of its agile API, as Atlassian's documentation describes them."""

from connectors.simulators.jira.app import create_app

__all__ = ["create_app"]
