"""Freshness: what sources gave before, kept as described requests, and which later requests it answers."""
