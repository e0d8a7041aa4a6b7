"""A simulator of Notion's API, version 2022-06-28 (https://developers.notion.com/reference)."""

from connectors.simulators.notion.app import create_app

__all__ = ["create_app"]
