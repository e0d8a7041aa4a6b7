"""A Salesforce organization: the REST API's queries, descriptions and composite requests, and the token endpoint."""

from connectors.simulators.salesforce.app import JOBS, ORGANIZATION, SESSIONS, create_app

__all__ = ["JOBS", "ORGANIZATION", "SESSIONS", "create_app"]
