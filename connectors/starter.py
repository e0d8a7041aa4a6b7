"""The files that a new connector begins with: a manifest, a simulator and a test, which pass together as they are.

In the templates `NAME` and `TITLE` stand for the name of the connector.
"""

from __future__ import annotations

import re
from pathlib import Path

from connectors.sdk.errors import OptionInvalid

TEMPLATES = Path(__file__).parent / "_template"
FILES = {"manifest.yaml": "{name}.yaml", "simulated.py.txt": "simulated_{name}.py", "test.py.txt": "test_{name}.py"}
_NAME = re.compile("[a-z][a-z0-9_]{0,62}")


def start(name: str, folder: Path, taken: tuple[str, ...]) -> list[Path]:
    """Write the files of a new connector into a folder, which is made, and return them.

    Raises:
        OptionInvalid: SQLSTATE HV00D, the name cannot be used, or a file is there already.
        OSError: a file cannot be written.
    """
    if not _NAME.fullmatch(name):
        raise OptionInvalid(
            message="a connector's name is made of small letters, digits and underscores",
            hint="Write it like pagerduty; the wrapper is called the same.",
        )
    if name in taken:
        raise OptionInvalid(message=f"there is a connector {name} already")
    written = {folder / target.format(name=name): TEMPLATES / source for source, target in FILES.items()}
    if there := [file.name for file in written if file.exists()]:
        raise OptionInvalid(message=f"file {there[0]} is there already", hint="Nothing was written.")
    folder.mkdir(parents=True, exist_ok=True)
    for file, template in written.items():
        text = template.read_text(encoding="utf-8").replace("NAME", name).replace("TITLE", name.title())
        file.write_text(text, encoding="utf-8")
    return list(written)
