"""The reference of all settings as a Markdown table, from their declarations. Pure."""

from __future__ import annotations

from omnisql_server.settings import declared_settings


def settings_table() -> str:
    """Describe every setting in a Markdown table."""
    lines = ["| Setting | Environment variable | Default | Allowed | Meaning |", "|---|---|---|---|---|"]
    for declared in declared_settings():
        default = declared.entry.default
        shown = str(default).lower() if isinstance(default, bool) else str(default)
        cells = (
            f"`{declared.key}`",
            f"`{declared.variable}`",
            "unset" if default is None else f"`{shown}`",
            declared.allowed,
            declared.entry.metadata["documentation"],
        )
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"
