"""Connectors written as manifests: the language, its loader, and the runtime that turns a manifest into a connector."""
