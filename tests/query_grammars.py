"""Whether texts are legal by what others wrote: Atlassian's own parser of JQL, and one of SOQL."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path

from vendor_packages import from_npm

PACKAGES = ("@atlassianlabs/jql-ast@2.1.0", "@jetstreamapp/soql-parser-js@6.3.1")
TIMEOUT_S = 300.0


def grammar_problems(jql: Sequence[str], soql: Sequence[str]) -> list[str]:
    """Return what is wrong with texts, one line for each that is not legal; all are read by one process."""
    done = subprocess.run(
        ["node", str(Path(__file__).with_suffix(".mjs"))],
        input=json.dumps({"jql": list(jql), "soql": list(soql)}),
        capture_output=True,
        text=True,
        cwd=from_npm("grammars", *PACKAGES),
        timeout=TIMEOUT_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    answers = json.loads(done.stdout)
    judged = [*zip(jql, answers["jql"], strict=True), *zip(soql, answers["soql"], strict=True)]
    return [f"{text}: {problem}" for text, problem in judged if problem]
