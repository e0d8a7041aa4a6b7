"""Cassettes: what an account answered to the proof of a connector, without secrets, to prove it again from a file."""
