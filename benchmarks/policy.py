"""What policy costs a statement: its question, the decision, kept or not, and the authorized query.

The OPA server is measured where `opa` is on the PATH. `python -m benchmarks.policy [--quick]`
"""

from __future__ import annotations

import argparse
import asyncio
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import resources
from pathlib import Path

from benchmarks.report import Section, median, percentile, publish
from omnisql_server.model.principal import Principal
from omnisql_server.model.query import BoundQuery, Occurrence, ParsedQuery, Settings
from omnisql_server.model.relation import Attribute, Relation, RelationKind
from omnisql_server.policy.bundle import bundle_of
from omnisql_server.policy.decide import DecisionEngine, Policy
from omnisql_server.policy.embedded import EmbeddedEngine
from omnisql_server.policy.rules import Rules, load_rules, parse_rules
from omnisql_server.policy.server import ServerEngine

WARM_UP = 20
TABLES = ("issues", "pull_requests", "commits")
COLUMNS = tuple(f"column_{number}" for number in range(13))
EVE = Principal(tenant="acme", name="eve", attributes={"teams": ("web",), "groups": ("a", "b"), "region": ("eu",)})
RULES_MAX = 100
START_TIMEOUT_S = 10.0


def main() -> None:
    """Measure and publish."""
    line = argparse.ArgumentParser(description=__doc__)
    line.add_argument("--quick", action="store_true", help="200 statements of each kind")
    count = 200 if line.parse_args().quick else 3000
    with resources.as_file(resources.files("omnisql_server") / "demo_policy.yaml") as file:
        demo = load_rules(file)
    rows: list[tuple[str, ...]] = []
    for name, rules in (("the demo's 7 rules", demo), (f"{RULES_MAX} rules", _many())):
        warm = asyncio.run(_times(EmbeddedEngine(rules.data), kept_s=60.0, count=count))
        cold = asyncio.run(_times(EmbeddedEngine(rules.data), kept_s=0.0, count=count))
        rows += [_row(f"{name}: kept decision", warm), _row(f"{name}: decided in this process", cold)]
        if shutil.which("opa") is not None:
            with _opa(rules) as url:
                asked = asyncio.run(_times(ServerEngine(url, timeout_s=10.0), kept_s=0.0, count=count))
            rows.append(_row(f"{name}: decided by an OPA server", asked))
    publish(
        Section(
            subject="Policy",
            header=("statement", "median", "95th percentile"),
            rows=rows,
            notes=(
                f"A statement over {len(TABLES)} tables with {len(COLUMNS)} columns of each, from the bound to the "
                "authorized query. A kept decision is one for equal questions, for 60 s at most.",
            ),
        )
    )


def _many() -> Rules:
    """Make a policy of many rules, by names, patterns and tags."""
    filters = [
        {
            "name": f"rows {number}",
            "tables": [f"github.table_{number}" if number % 3 else "github.*"],
            "subjects": {"groups": [f"group {number}"]} if number % 2 else {"groups": ["a"]},
            "rows": {"any": [{"column": COLUMNS[0], "equals": number}, {"column": COLUMNS[1], "exists": True}]},
        }
        for number in range(RULES_MAX // 2)
    ]
    masks = [
        {"name": f"mask {number}", "tables": ["github.*"], "columns": [f"*_{number}"], "mask": "hash"}
        for number in range(RULES_MAX // 2)
    ]
    return parse_rules({"version": 1, "row_filters": filters, "masks": masks}, "benchmark")


async def _times(engine: DecisionEngine, *, kept_s: float, count: int) -> list[float]:
    policy, query = Policy(engine, kept_s=kept_s), bound_query()
    taken: list[float] = []
    for _ in range(WARM_UP + count):
        begun_s = time.perf_counter()
        authorized = await policy.authorize(query, EVE)
        taken.append((time.perf_counter() - begun_s) * 1000)
        if len(authorized.filters) != len(TABLES):
            raise RuntimeError("a table is missing")
    await policy.close()
    return taken[WARM_UP:]


def bound_query() -> BoundQuery:
    """Make a query over the tables."""
    attributes = tuple(
        Attribute(number=number, name=name, type_oid=25, type_sql="text", api_column=name)
        for number, name in enumerate(COLUMNS, 1)
    )
    occurrences = tuple(
        Occurrence(
            scan_name=f"scan_{number}",
            relation=Relation(
                oid=number,
                schema="github",
                name=table,
                kind=RelationKind.API,
                owner="admin",
                attributes=attributes,
                server="github",
                wrapper="github",
                api_table=table,
            ),
            columns=COLUMNS,
        )
        for number, table in enumerate(TABLES)
    )
    settings = Settings(
        time_zone="UTC",
        date_style="ISO, MDY",
        interval_style="postgres",
        extra_float_digits=1,
        statement_timeout_ms=0,
        engine="auto",
        on_source_error="fail",
        max_api_calls=None,
        current_user="eve",
    )
    return BoundQuery(
        parsed=ParsedQuery(text="", references=(), named_columns=frozenset(), tree=None),
        meaning=None,
        reason="",
        occurrences=occurrences,
        relations={},
        views={},
        parameter_oids=(),
        fields=(),
        settings=settings,
        catalog_sequence=1,
    )


@contextmanager
def _opa(rules: Rules) -> Iterator[str]:
    with tempfile.TemporaryDirectory(prefix="omnisql-bench-") as temporary, socket.socket() as probe:
        bundle = Path(temporary) / "bundle.tar.gz"
        bundle.write_bytes(bundle_of(rules))
        probe.bind(("127.0.0.1", 0))
        host, port = probe.getsockname()
        probe.close()
        command = ["opa", "run", "--server", "--disable-telemetry", "--log-level", "error"]
        process = subprocess.Popen([*command, "--addr", f"{host}:{port}", "--bundle", str(bundle)])
        try:
            _await_port(host, port)
            yield f"http://{host}:{port}"
        finally:
            process.terminate()
            process.wait()


def _await_port(host: str, port: int) -> None:
    give_up_s = time.monotonic() + START_TIMEOUT_S
    while True:
        try:
            socket.create_connection((host, port), timeout=1).close()
            return
        except OSError:
            if time.monotonic() > give_up_s:
                raise
            time.sleep(0.05)


def _row(name: str, taken: list[float]) -> tuple[str, str, str]:
    return name, f"{median(taken):.3f} ms", f"{percentile(taken, 0.95):.3f} ms"


if __name__ == "__main__":
    main()
