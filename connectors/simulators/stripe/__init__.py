"""A simulator of Stripe's API (https://docs.stripe.com/api)."""

from connectors.simulators.stripe.app import create_app

__all__ = ["create_app"]
