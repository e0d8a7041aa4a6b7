"""Measurements of the running server beside its peers, by the same client in the same run."""
