"""Stage bind: a statement and one flush on its session's backend, to a query whose every name is resolved."""
