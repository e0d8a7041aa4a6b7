"""One client's session: every message is relayed to its PostgreSQL backend or run by the pipeline."""
