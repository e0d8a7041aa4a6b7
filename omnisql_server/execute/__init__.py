"""Stage execute: an authorized query over its relations, in DuckDB where that is proved equal, else in PostgreSQL."""
