"""Who a client is by what it shows: rules of tenants, tokens of identity providers, API tokens, certificates."""
