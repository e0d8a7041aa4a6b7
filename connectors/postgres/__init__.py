"""PostgreSQL as a source: the tables of an external database, read by queries that its own planner carries out."""
