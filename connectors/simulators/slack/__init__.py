"""A simulator of Slack's Web API (https://api.slack.com/methods)."""

from connectors.simulators.slack.app import create_app

__all__ = ["create_app"]
