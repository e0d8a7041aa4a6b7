"""A simulator of HubSpot's CRM API, version 3 (https://developers.hubspot.com/docs/api/crm/understanding-the-crm)."""

from connectors.simulators.hubspot.app import create_app

__all__ = ["create_app"]
