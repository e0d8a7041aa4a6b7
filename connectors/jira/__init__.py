"""Jira Cloud over its REST API version 3 and its agile API: issues with custom fields, what hangs on them, boards."""
