"""Every test that the pages about security name is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from sources import ROOT, functions_of

SECURITY = ROOT / "docs" / "security"
MODEL, PROMISES, CHECKLIST = (SECURITY / f"{name}.md" for name in ("threat-model", "promises", "pen-test"))
KINDS = {"spoofing", "tampering", "repudiation", "disclosure", "denial of service", "elevation"}
NAMED = re.compile(r"`([a-z_/]+\.py)::(test_[a-z0-9_]+)`")


@pytest.mark.parametrize("page", [MODEL, PROMISES], ids=lambda page: page.stem)
def test_every_test_that_a_page_names_is_there(page: Path) -> None:
    named = NAMED.findall(page.read_text(encoding="utf-8"))
    assert len(named) > 40
    missing = [f"{path}::{name}" for path, name in named if name not in functions_of(f"tests/{path}")]
    assert missing == []


@pytest.mark.parametrize(("page", "head"), [(MODEL, "| kind "), (PROMISES, "| promise ")])
def test_every_threat_and_promise_has_a_test(page: Path, head: str) -> None:
    rows = [line for line in page.read_text(encoding="utf-8").splitlines() if re.match(r"\| [A-Za-z`]", line)]
    said = [line for line in rows if not line.startswith(head)]
    assert len(said) >= 30
    assert [line for line in said if not NAMED.search(line)] == []


def test_every_threat_is_of_a_kind() -> None:
    kinds = re.findall(r"(?m)^\| ([a-z ]+) \| ", MODEL.read_text(encoding="utf-8"))
    assert set(kinds) - {"kind"} == KINDS


def test_every_module_that_the_checklist_starts_from_is_there() -> None:
    named = re.findall(r"`([a-z_/]+\.py)`", CHECKLIST.read_text(encoding="utf-8"))
    assert len(named) > 15
    assert [path for path in named if not (ROOT / "tests" / path).exists()] == []
