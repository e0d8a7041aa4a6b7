"""GitHub's REST API, version 2022-11-28, as its documentation describes it."""

from connectors.simulators.github.app import create_app

__all__ = ["create_app"]
