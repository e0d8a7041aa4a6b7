"""Webhooks: what vendors tell by themselves marks kept rows stale."""
