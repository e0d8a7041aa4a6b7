"""What it is built from: locked packages are on the bill of materials, exceptions of bandit's have a reason."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

from sources import ROOT, modules

EXCEPTION = re.compile(r"# noqa: (?:[A-Z]+\d+, )*S\d+(.*)")
EXPORT = ("export", "--quiet", "--frozen", "--no-default-groups", "--format", "cyclonedx1.5", "--output-file")


def test_the_bill_of_materials_names_every_package_that_is_needed_to_run(tmp_path: Path) -> None:
    bill = tmp_path / "bill.json"
    uv = Path(sys.executable).with_name("uv")
    subprocess.run([uv, *EXPORT, bill], cwd=ROOT, check=True, capture_output=True, timeout=60)
    assert " ".join(EXPORT[:-1]) in (ROOT / "Makefile").read_text(encoding="utf-8")
    components = json.loads(bill.read_text(encoding="utf-8"))["components"]
    named = {component["purl"] for component in components}
    locked = {each["name"]: each["version"] for each in tomllib.loads((ROOT / "uv.lock").read_text())["package"]}
    required = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    names = {re.split(r"[\[<>=!~; ]", requirement)[0].lower() for requirement in required}
    assert len(names) > 10
    assert {f"pkg:pypi/{name}@{locked[name]}" for name in names} <= named


def test_every_exception_of_the_rules_for_security_says_why() -> None:
    found = []
    for package in ("omnisql_server", "wire", "catalog", "connectors"):
        for path in modules(package):
            for number, line in enumerate((ROOT / path).read_text(encoding="utf-8").splitlines(), 1):
                exception = EXCEPTION.search(line)
                if exception is not None and len(exception[1].strip(" -")) < 3:
                    found.append(f"{path}:{number}")
    assert found == []
