"""A simulator of GitLab's REST API, version 4 (https://docs.gitlab.com/api/rest/)."""

from connectors.simulators.gitlab.app import create_app

__all__ = ["create_app"]
