"""The audit: a record of every statement that reads an API table and of every administrative act."""
