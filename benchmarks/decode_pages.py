"""Pages of GitHub issues from bytes to Arrow: as scans decode them, beside json.loads and Table.from_pylist.

The pages are the simulator's, whose rows carry every field that GitHub documents, with text added to their bodies up to
5 KB a row. Of the peers, one hands Arrow all that came, the other only twelve columns, which are compared with ours.
"""

from __future__ import annotations

import argparse
import gc
import json
import time
from collections.abc import Callable, Hashable, Sequence

import msgspec
import pyarrow as pa

from benchmarks.report import Section, median, publish
from connectors.registry import manifest_named
from connectors.simulators.company import build_company
from connectors.simulators.github.issues import issue

PAGE_ROWS = 100
ROW_BYTES = 5_000
TOLD = ["number", "id", "title", "state", "comments", "created_at", "updated_at", "closed_at"]
COLUMNS = (*TOLD, "user_login", "assignee_login", "labels", "milestone_number")
ISSUES = manifest_named("github").tables["issues"]
AIM_ROWS_S = 45_000
_BASE = "https://api.github.com"


def pages(count: int) -> list[bytes]:
    """Return pages as GitHub would send them."""
    company = build_company(issues=2_000)
    items = [
        (repository, item) for repository in company.forge.repositories for item in company.forge.items(repository)
    ]
    rows = [issue(company, _BASE, *items[at % len(items)]) for at in range(count * PAGE_ROWS)]
    for row in rows:
        row["body"] = (row["body"] or "") + "x" * max(0, ROW_BYTES - len(msgspec.json.encode(row)))
    return [msgspec.json.encode(rows[at : at + PAGE_ROWS]) for at in range(0, len(rows), PAGE_ROWS)]


def scanned(found: Sequence[bytes]) -> pa.Table:
    """Decode pages as a scan does, keys of the rows included."""
    decoder = ISSUES.decoder(COLUMNS, "by_repository")
    batches: list[pa.RecordBatch] = []
    seen: set[Hashable] = set()
    for content in found:
        rows = msgspec.json.decode(content)
        seen.update(decoder.key(row) for row in rows)
        batches.append(decoder.batch(rows))
    return pa.Table.from_batches(batches)


def parsed(found: Sequence[bytes]) -> None:
    """Parse pages, and no more."""
    for content in found:
        msgspec.json.decode(content)


def rows_of_dicts(found: Sequence[bytes]) -> pa.Table:
    """Decode pages with the standard library into a dictionary for each row, and those with Arrow."""
    types = [pa.field(name, ISSUES.table.column(name).type.arrow) for name in COLUMNS]
    # Texts are turned into times by Arrow afterwards: from_pylist does not.
    plain = pa.schema([pa.field(f.name, pa.string()) if pa.types.is_timestamp(f.type) else f for f in types])
    made = []
    for content in found:
        rows = [
            {
                **{name: row[name] for name in TOLD},
                "user_login": row["user"] and row["user"]["login"],
                "assignee_login": row["assignee"] and row["assignee"]["login"],
                "labels": [label["name"] for label in row["labels"]],
                "milestone_number": row["milestone"] and row["milestone"]["number"],
            }
            for row in json.loads(content)
        ]
        made.append(pa.Table.from_pylist(rows, schema=plain))
    return pa.concat_tables(made).cast(pa.schema(types))


def whole_rows(found: Sequence[bytes]) -> None:
    """Decode pages with the standard library, and hand Arrow all that came."""
    for content in found:
        pa.Table.from_pylist(json.loads(content))


def seconds(work: Callable[[Sequence[bytes]], object], found: Sequence[bytes]) -> float:
    """Return what some work takes of this process's processor time."""
    gc.collect()
    started_s = time.process_time()
    work(found)
    return time.process_time() - started_s


def main() -> None:
    """Run the benchmark."""
    line = argparse.ArgumentParser(description=__doc__)
    line.add_argument("--quick", action="store_true")
    count, rounds = (10, 3) if line.parse_args().quick else (100, 9)
    found = pages(count)
    assert scanned(found) == rows_of_dicts(found)
    sides = {
        "a scan": scanned,
        "json.loads, Table.from_pylist": whole_rows,
        "json.loads, the columns picked, Table.from_pylist": rows_of_dicts,
        "msgspec.json.decode alone": parsed,
    }
    taken: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(rounds):
        for name, work in sides.items():
            taken[name].append(seconds(work, found))
    total = count * PAGE_ROWS
    ours = median(taken["a scan"])
    size = sum(map(len, found)) / total
    rows = [(name, f"{total / median(each) / 1000:.1f}", f"{median(each) / ours:.2f}x") for name, each in taken.items()]
    publish(
        Section(
            subject="Pages decoded",
            header=("what", "thousand rows/s of a core", "time, ratio to a scan"),
            rows=rows,
            notes=(
                f"{total:,} issues of {size:,.0f} bytes in pages of {PAGE_ROWS} to {len(COLUMNS)} columns, processor "
                f"time, median of {rounds} rounds in turn. The aims are {AIM_ROWS_S:,} rows/s and a third of the time "
                "of json.loads and from_pylist.",
            ),
        )
    )


if __name__ == "__main__":
    main()
