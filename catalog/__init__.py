"""PostgreSQL as OmniSQL's catalog: clusters, control database, tenants, and the shape of what they hold."""
