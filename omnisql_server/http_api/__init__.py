"""Statements by HTTP: JSON in, JSON out, carried by a session of the server's own wire protocol."""
