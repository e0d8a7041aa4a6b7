"""Sockets of clients: TLS, limits, start-up, sessions, and their end."""
