"""The OmniSQL server: listener, sessions, and the pipeline from a statement to its rows."""
