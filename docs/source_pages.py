"""Renews the pages in docs/sources from the connectors' own declarations."""

from __future__ import annotations

from pathlib import Path

from connectors.registry import connector_named, connector_names, loaded_named
from connectors.source_page import source_page

FOLDER = Path(__file__).with_name("sources")

if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for stale in FOLDER.glob("*.md"):
        stale.unlink()
    for name in connector_names():
        page = source_page(connector_named(name), loaded_named(name))
        (FOLDER / f"{name}.md").write_text(page, encoding="utf-8")
