"""Runs commands of dbt in one process of dbt's own environment; writes what each of them did as JSON.

Called as: python dbt_commands.py FILE COMMANDS.. where a command is its words separated by blanks.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from dbt.cli.main import dbtRunner  # type: ignore[import-not-found]


def run(command: str) -> dict[str, object]:
    """Run one command; return whether it succeeded and the outcome of each node."""
    done = dbtRunner().invoke(command.split())
    nodes = getattr(done.result, "results", None) or ()
    return {
        "command": command,
        "success": done.success,
        "error": str(done.exception or ""),
        "nodes": {_name(each.node): str(each.status) for each in nodes if getattr(each, "node", None) is not None},
        "messages": [str(each.message) for each in nodes if str(each.status) in ("error", "fail")],
    }


def _name(node: Any) -> str:
    return str(node.unique_id if node.resource_type == "source" else node.name)


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(json.dumps([run(command) for command in sys.argv[2:]]))
