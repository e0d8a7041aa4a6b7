"""Starts one PostgreSQL program as an unprivileged account that ends with its parent. Run as a script, never
imported.

Arguments: parent's pid, uid and gid (-1 to keep our own), signal on the parent's death (0 for none), bound of private
memory in bytes (0 for none), a control group's file of processes (empty for none), program, its arguments. A process of
its own does this because changing accounts between fork and exec is unsafe in a process with threads.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

PR_SET_PDEATHSIG = 1
OOM_SCORE_ADJUSTMENT = 500


def main() -> None:
    """Drop privileges, tie our life to the parent's, and become the program."""
    parent, uid, gid, death_signal, memory_bytes_max = (int(argument) for argument in sys.argv[1:6])
    group, program, arguments = sys.argv[6], sys.argv[7], sys.argv[7:]
    # Before setuid: the new account may not be able to read Python's own files.
    tie_to_parent = _process_control()
    os.umask(0o077)
    if group:
        _join(group)
    if memory_bytes_max:
        _bound_memory(memory_bytes_max)
    if uid >= 0:
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)
    if death_signal and tie_to_parent is not None:
        # After setuid: the kernel forgets this wish when the credentials change.
        tie_to_parent(PR_SET_PDEATHSIG, death_signal, 0, 0, 0)
        if os.getppid() != parent:
            sys.exit(1)
    os.execv(program, arguments)  # noqa: S606  the program is the wheel's own, without a shell


def _join(group: str) -> None:
    """Move ourselves, and so all that we start, into a control group, which the new account could not.

    Nothing else is written to, whoever starts us: an older server would give other arguments.
    """
    if os.path.basename(group) != "cgroup.procs":
        sys.exit(f"{group} is no control group")
    with open(group, "r+", encoding="ascii") as file:
        file.write(str(os.getpid()))


def _bound_memory(bytes_max: int) -> None:
    """Bound what each process may allocate for itself, and have the kernel end one of these before it ends the server.

    Linux counts private anonymous memory only (getrlimit(2), RLIMIT_DATA); shared buffers are not part of it.
    """
    import resource

    resource.setrlimit(resource.RLIMIT_DATA, (bytes_max, bytes_max))
    if sys.platform == "linux":
        with open("/proc/self/oom_score_adj", "w", encoding="ascii") as file:
            file.write(str(OOM_SCORE_ADJUSTMENT))


def _process_control() -> Callable[..., int] | None:
    """Find Linux's prctl; other systems have nothing like it, and the next start ends what was left."""
    if sys.platform != "linux":
        return None
    import ctypes

    function: Callable[..., int] = ctypes.CDLL(None).prctl
    return function


if __name__ == "__main__":
    main()
