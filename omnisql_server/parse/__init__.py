"""Stage parse: a message's text to statements, by PostgreSQL's own grammar; what to relay and what to run."""
