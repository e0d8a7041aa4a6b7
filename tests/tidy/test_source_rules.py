"""Rules of style that a line of code can break."""

from __future__ import annotations

import ast
import re
from collections import Counter

from sources import PACKAGES, ROOT, modules, nodes

from connectors.registry import connector_named, connector_names, loaded_named
from connectors.source_page import source_page
from omnisql_server.settings import declared_settings
from omnisql_server.settings_table import settings_table

FUNCTION_LINES_MAX = 60
MODULE_LINES_MAX = 400
EVERYTHING = (*PACKAGES, "tests", "benchmarks")
ENVIRONMENT_READER = "omnisql_server/config.py"
VAGUE_NAMES = {"utils", "helpers", "common", "base", "misc", "manager"}


def test_only_one_module_reads_the_environment() -> None:
    found = []
    for where, node in nodes(*PACKAGES):
        name = ast.unparse(node) if isinstance(node, ast.Attribute) else ""
        imported = {alias.name for alias in node.names} if isinstance(node, ast.ImportFrom) else set()
        reads = name in {"os.environ", "os.environb", "os.getenv"} or (
            isinstance(node, ast.ImportFrom) and node.module == "os" and imported & {"environ", "environb", "getenv"}
        )
        if reads and not where.startswith(ENVIRONMENT_READER):
            found.append(where)
    assert found == []


def test_nothing_waits_with_the_function_that_loses_cancellations() -> None:
    # CPython gh-86296: before Python 3.12 asyncio.wait_for can swallow a cancellation; asyncio.timeout does not.
    found = [
        where
        for where, node in nodes(*PACKAGES)
        if isinstance(node, ast.Attribute) and ast.unparse(node) == "asyncio.wait_for"
    ]
    assert found == []


WALL_CLOCK_READERS = {
    "omnisql_server/audit/record.py": "when something was done, on record for people",
    "omnisql_server/audit/signing.py": "when a head was signed, on record for people",
    "omnisql_server/commands/audit.py": "which month is the present one",
    "connectors/sdk/settings.py": "what a source says of a reset is a time of day; it is bounded where it is used",
    "omnisql_server/app.py": "a certificate is valid from a time of day",
    "omnisql_server/fetch/reporting.py": "fetched_at is a time of day",
    "omnisql_server/repeats/repeats.py": "fetched_at is a time of day",
    "omnisql_server/manage/analyze.py": "seen_at is a time of day",
    "omnisql_server/webhooks/receiver.py": "a vendor says at which time of day it sent a webhook",
}
"""Who may ask for the time of day, which jumps: all that measures or waits asks a clock that does not."""


def test_what_waits_or_measures_does_not_ask_a_clock_that_jumps() -> None:
    clocks = {"time.time", "time.time_ns", "datetime.now", "datetime.utcnow", "datetime.today", "date.today"}
    found = {
        where.partition(":")[0]
        for where, node in nodes(*PACKAGES)
        if isinstance(node, ast.Attribute) and ast.unparse(node) in clocks
    }
    found -= {path for path in found if path.startswith("connectors/simulators/")}
    assert found == set(WALL_CLOCK_READERS)


def test_every_module_says_what_it_is_for() -> None:
    assert [path for path, tree in modules(*PACKAGES).items() if not ast.get_docstring(tree)] == []


def test_packages_only_describe_and_reexport() -> None:
    allowed = (ast.Expr, ast.Import, ast.ImportFrom, ast.Assign)
    found = [
        path
        for path, tree in modules(*PACKAGES).items()
        if path.endswith("__init__.py") and not all(isinstance(node, allowed) for node in tree.body)
    ]
    assert found == []


def test_no_module_has_a_vague_name() -> None:
    paths = [path for path in modules(*PACKAGES) if VAGUE_NAMES & set(path.removesuffix(".py").split("/"))]
    assert paths == []


def test_functions_are_short() -> None:
    long = [
        f"{where} {node.name}"
        for where, node in nodes(*EVERYTHING)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (node.end_lineno or node.lineno) - node.lineno + 1 > FUNCTION_LINES_MAX
    ]
    assert long == []


def test_modules_are_short() -> None:
    lengths = {path: len((ROOT / path).read_text(encoding="utf-8").splitlines()) for path in modules(*EVERYTHING)}
    assert {path: length for path, length in lengths.items() if length > MODULE_LINES_MAX} == {}


def test_values_are_frozen() -> None:
    found = []
    for where, node in nodes(*PACKAGES):
        if not isinstance(node, ast.ClassDef):
            continue
        for decorator in node.decorator_list:
            if ast.unparse(decorator).startswith("dataclass") and "slots=True" not in ast.unparse(decorator):
                found.append(f"{where} {node.name}")
    assert found == []


def test_nothing_is_left_for_later() -> None:
    word = re.compile(r"\b(TODO|FIXME|HACK|XXX)\b")
    found = []
    for path in modules(*EVERYTHING):
        text = (ROOT / path).read_text(encoding="utf-8")
        found += [path for _ in word.finditer(text) if path != "tests/tidy/test_source_rules.py"]
    assert found == []


POLLING = "tests/integration/server/sessions.py"
"""Waits, under a limit, for what another process brings about and cannot announce."""


def test_tests_neither_sleep_nor_hide() -> None:
    found = []
    for where, node in nodes("tests"):
        # These need other programs: they skip where one is missing, except in CI, where they fail.
        if where.startswith(("tests/clients/", "tests/installed_programs.py", POLLING)):
            continue
        if isinstance(node, ast.Call):
            text = ast.unparse(node)
            sleeps = text.startswith(("time.sleep(", "asyncio.sleep(")) and not text.endswith("sleep(0)")
            hides = text.startswith(("pytest.skip(", "pytest.importorskip(", "pytest.xfail("))
            found += [where] if sleeps or hides else []
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            marks = " ".join(ast.unparse(decorator) for decorator in node.decorator_list)
            found += [where] if "mark.skip" in marks or "mark.xfail" in marks else []
    assert found == []


def test_tests_need_no_packages() -> None:
    assert [str(path) for path in (ROOT / "tests").rglob("__init__.py")] == []


def test_the_table_of_settings_names_every_field() -> None:
    table = settings_table()
    assert [declared.key for declared in declared_settings() if f"`{declared.key}`" not in table] == []


def test_the_page_of_settings_is_of_today() -> None:
    page = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
    assert settings_table().strip() in page


def test_the_pages_of_sources_are_of_today() -> None:
    folder = ROOT / "docs" / "sources"
    wanted = {f"{name}.md": source_page(connector_named(name), loaded_named(name)) for name in connector_names()}
    assert {page.name: page.read_text(encoding="utf-8") for page in folder.glob("*.md")} == wanted


def test_test_modules_have_names_of_their_own() -> None:
    # pytest imports them by their names alone: two of one name cannot be collected together.
    names = Counter(path.rsplit("/", 1)[-1] for path in modules("tests"))
    assert [name for name, count in names.items() if count > 1 and name.startswith("test_")] == []
