"""Renews the shapes in connectors/shapes; refuses breaking changes without another version and the old manifest."""

from __future__ import annotations

import json
import sys

from connectors.registry import earlier_named, manifest_named, manifest_names
from connectors.shapes import SHAPES, refusal_of, shape_of

if __name__ == "__main__":
    SHAPES.mkdir(exist_ok=True)
    for name in manifest_names():
        loaded = manifest_named(name)
        version, shape = loaded.manifest.version, shape_of(each.table for each in loaded.tables.values())
        file = SHAPES / f"{name}.json"
        if file.exists():
            known = json.loads(file.read_text(encoding="utf-8"))
            kept = {
                each.manifest.version: shape_of(t.table for t in each.tables.values()) for each in earlier_named(name)
            }
            if (refusal := refusal_of(known, version, shape, kept)) is not None:
                sys.exit(f"{name}: {refusal}")
        file.write_text(json.dumps({"version": version, "tables": shape}, indent=1) + "\n", encoding="utf-8")
