"""Every test that the threat model names is there."""

from __future__ import annotations

import re

from sources import ROOT, functions_of

MODEL = ROOT / "docs" / "security" / "threat-model.md"
NAMED = re.compile(r"`([a-z_/]+\.py)::(test_[a-z0-9_]+)`")


def test_every_test_that_the_threat_model_names_is_there() -> None:
    named = NAMED.findall(MODEL.read_text(encoding="utf-8"))
    assert len(named) > 50
    missing = [f"{path}::{name}" for path, name in named if name not in functions_of(f"tests/{path}")]
    assert missing == []


def test_every_threat_has_a_test() -> None:
    rows = [line for line in MODEL.read_text(encoding="utf-8").splitlines() if re.match(r"\| [a-z]", line)]
    threats = [line for line in rows if not line.startswith("| kind ")]
    assert len(threats) > 30
    assert [line for line in threats if not NAMED.search(line)] == []
