"""Renews the shapes in connectors/shapes; refuses a breaking change of a manifest whose version was not raised."""

from __future__ import annotations

import json
import sys

from connectors.registry import manifest_named, manifest_names
from connectors.shapes import SHAPES, changes, shape_of

if __name__ == "__main__":
    SHAPES.mkdir(exist_ok=True)
    for name in manifest_names():
        loaded = manifest_named(name)
        version, shape = loaded.manifest.version, shape_of(each.table for each in loaded.tables.values())
        file = SHAPES / f"{name}.json"
        if file.exists():
            known = json.loads(file.read_text(encoding="utf-8"))
            broken = [change.text for change in changes(known["tables"], shape) if change.is_breaking]
            if broken and version <= known["version"]:
                sys.exit(f"{name}: {'; '.join(broken)}: raise version in the manifest above {known['version']}")
        file.write_text(json.dumps({"version": version, "tables": shape}, indent=1) + "\n", encoding="utf-8")
