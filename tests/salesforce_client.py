"""What clients of others send to Salesforce: jsforce, run against the simulator, and two for Python, which are read.

Each knows a part: jsforce descriptions, queries and their pages, jobs and tokens; simple-salesforce how much of a
job's result may be asked for; aiosalesforce requests that are made of several. None is known that says all.
"""

from __future__ import annotations

import ast
import asyncio
import json
import re
from functools import cache
from pathlib import Path
from typing import Any

from typescript_types import declarations
from vendor_clients import Described
from vendor_packages import JSFORCE, from_npm, python_packages

from connectors.simulators import start_simulator
from connectors.simulators.company import build_company
from connectors.simulators.salesforce import create_app
from connectors.simulators.toolkit import SIMULATION

TOKEN = "simulated-token"
VERSION = "66.0"
JOBS = "/services/data/{}/jobs/query"
RESULTS = f"{JOBS}/{{}}/results"
COMPOSITE = "/services/data/{}/composite"
TOKEN_PATH = "/services/oauth2/token"
BULK_TYPES = "node_modules/@jsforce/jsforce-node/lib/api/bulk2.d.ts"
TIMEOUT_S = 60.0


def salesforce_requests() -> Described:
    """Return what the three of them send; what a body has are parameters, too."""
    found = _observed()
    for method, path, names in (
        ("GET", RESULTS, _written_beside("simple_salesforce/bulk2.py", "maxRecords", "params")),
        ("POST", COMPOSITE, _written_beside("aiosalesforce/composite/composite.py", "compositeRequest", "")),
        ("POST", TOKEN_PATH, _written_beside("simple_salesforce/login.py", "assertion", "token_data")),
    ):
        found[method, path] = {**(found.get((method, path)) or {}), **{name: [] for name in names}}
    types = declarations((from_npm("jsforce", JSFORCE) / BULK_TYPES).read_text())
    told = types.members(types["QueryJobInfoV2"])
    for method, path, name in (("POST", JOBS, "operation"), ("PATCH", f"{JOBS}/{{}}", "state")):
        found[method, path] = {**(found[method, path] or {}), name: types.values(told[name])}
    return found


def template_of(path: str) -> str:
    """Return a path without its version, objects, identifiers and locators."""
    path = re.sub(r"/services/data/v\d+\.\d", "/services/data/{}", path)
    path = re.sub(r"(?<=/sobjects/)\w+", "{}", path)
    return re.sub(r"(?<=/)[0-9A-Za-z]{15,18}(-\d+)?(?=/|$)", "{}", path)


@cache
def read_by_jsforce() -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Have jsforce read the simulator; return what it says it got, and what it was answered by."""
    return asyncio.run(_run())


async def _run() -> tuple[dict[str, Any], list[dict[str, Any]]]:
    folder = from_npm("jsforce", JSFORCE)
    application = create_app(build_company(issues=60), access_token=TOKEN, size=900)
    application[SIMULATION].configure({"page_rows_max": 200})
    simulator = await start_simulator(application)
    try:
        process = await asyncio.create_subprocess_exec(
            "node", str(Path(__file__).with_suffix(".mjs")), simulator.base_url, TOKEN, VERSION,
            cwd=folder, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        async with asyncio.timeout(TIMEOUT_S):
            said, wrong = await process.communicate()
        assert process.returncode == 0, wrong.decode()[-2000:]
        return json.loads(said), application[SIMULATION].log.to_json()
    finally:
        await simulator.stop()


def _observed() -> Described:
    found: Described = {}
    for record in read_by_jsforce()[1]:
        names = [*record["query"], *(record["body"] or {})]
        known = found.setdefault((record["method"], template_of(record["path"])), {})
        assert known is not None
        known |= {name: [] for name in names}
    return found


def _written_beside(file: str, marker: str, name: str) -> list[str]:
    """Return the keys of the dictionary that has a key, and those that are set in the one of a name."""
    nodes = [*ast.walk(ast.parse((python_packages() / file).read_text()))]
    literals = [
        [each.value for each in node.keys if isinstance(each, ast.Constant)]
        for node in nodes
        if isinstance(node, ast.Dict)
    ]
    keys = [key for keys in literals if marker in keys for key in keys]
    keys += [
        node.slice.value
        for node in nodes
        if isinstance(node, ast.Subscript) and ast.unparse(node.value) == name and isinstance(node.slice, ast.Constant)
    ]
    return [key for key in keys if isinstance(key, str)]
