"""A simulator of PagerDuty's REST API, version 2 (https://developer.pagerduty.com/api-reference)."""

from connectors.simulators.pagerduty.app import create_app

__all__ = ["create_app"]
