"""Administration of a server: tenants and their users, from the command line of the same machine."""
