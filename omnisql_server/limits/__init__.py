"""Rate limits of sources, shared by every session and replica through Valkey."""

from omnisql_server.limits.bucket import BucketLimit, BucketStore, Taken
from omnisql_server.limits.limiter import SourceLimiter
from omnisql_server.limits.valkey import Valkey, ValkeyChild, ValkeyExternal, ValkeyServer, valkey_server

__all__ = [
    "BucketLimit",
    "BucketStore",
    "SourceLimiter",
    "Taken",
    "Valkey",
    "ValkeyChild",
    "ValkeyExternal",
    "ValkeyServer",
    "valkey_server",
]
