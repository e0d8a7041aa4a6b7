"""Keeps the memory of a server, which holds keys and credentials, out of core files.

A limit of zero goes on to all child processes, PostgreSQL's too. Linux does not ask it where cores are piped to a
program (core(5)), so that this process says that it is not to be dumped at all.
"""

from __future__ import annotations

import ctypes
import resource
import sys

PR_SET_DUMPABLE = 4
"""prctl(2). It ends at execve: children that are other programs have the limit alone."""


def refuse_core_files() -> None:
    """Have this process, and those that it starts, leave no core file; nothing can bring them back."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)
