"""The PostgreSQL frontend/backend protocol, version 3, without I/O: bytes in, messages out, and back."""
