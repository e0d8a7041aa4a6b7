"""Renews the table of settings at the end of configuration.md from the declarations in `omnisql_server.settings`."""

from __future__ import annotations

from pathlib import Path

from omnisql_server.settings_table import settings_table

PAGE = Path(__file__).with_name("configuration.md")


def renewed(page: str) -> str:
    """Return the page with its table of settings replaced by the present one."""
    text, _, _ = page.partition("\n| Setting |")
    return f"{text.rstrip()}\n\n{settings_table()}"


if __name__ == "__main__":
    PAGE.write_text(renewed(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
