"""A Salesforce organization: the REST API's queries, descriptions and composite requests, and the token endpoint."""

from connectors.simulators.salesforce.app import ORGANIZATION, SESSIONS, create_app

__all__ = ["ORGANIZATION", "SESSIONS", "create_app"]
