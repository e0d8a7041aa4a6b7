"""How much room a cluster's data directory takes on disk, with its temporary files.

The write-ahead log counts beyond what PostgreSQL keeps of it in any case: only a checkpoint of PostgreSQL's own gives
that back, and never all (PostgreSQL 18, chapter 28.5, `max_wal_size`).
"""

from __future__ import annotations

import os
from pathlib import Path

BLOCK_BYTES = 512
"""What `st_blocks` counts in, whatever the file system's blocks are (stat(2))."""


WAL_KEPT_BYTES = 2**30


def disk_used_bytes(data_directory: Path) -> int:
    """Add up the blocks of a cluster's files, as above.

    Raises: OSError when a directory cannot be read for another reason than that it is gone.
    """
    log_bytes = blocks_bytes(data_directory / "pg_wal")
    return blocks_bytes(data_directory) - min(log_bytes, WAL_KEPT_BYTES)


def blocks_bytes(directory: Path) -> int:
    """Add up the blocks of all files below a directory; links are not followed, and what goes meanwhile is left out.

    Raises: OSError when a directory cannot be read for another reason than that it is gone.
    """
    used, folders = 0, [os.fspath(directory)]
    while folders:
        try:
            with os.scandir(folders.pop()) as entries:
                for entry in entries:
                    try:
                        used += entry.stat(follow_symlinks=False).st_blocks * BLOCK_BYTES
                        if entry.is_dir(follow_symlinks=False):
                            folders.append(entry.path)
                    except FileNotFoundError:
                        continue
        except FileNotFoundError:
            continue
    return used
