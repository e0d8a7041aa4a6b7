"""A simulator of Zendesk's Support API (https://developer.zendesk.com/api-reference/ticketing)."""

from connectors.simulators.zendesk.app import create_app

__all__ = ["create_app"]
