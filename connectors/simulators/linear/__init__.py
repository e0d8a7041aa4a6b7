"""A simulator of Linear's GraphQL API over the company's tracker; it needs graphql-core, a development dependency."""

from connectors.simulators.linear.app import create_app

__all__ = ["create_app"]
