"""Texts as Atlassian Document Format, version 1: paragraphs with hard breaks, and code blocks; pure."""

from __future__ import annotations

from typing import Any

FENCE = "```"


def document(text: str | None) -> dict[str, Any] | None:
    """Return a text as a document; None stays None."""
    if text is None:
        return None
    return {"type": "doc", "version": 1, "content": [_block(part) for part in text.split("\n\n") if part]}


def _block(text: str) -> dict[str, Any]:
    if text.startswith(FENCE) and text.endswith(FENCE) and "\n" in text:
        language, _, code = text.removeprefix(FENCE).removesuffix(FENCE).partition("\n")
        content = [{"type": "text", "text": code.removesuffix("\n")}]
        return {"type": "codeBlock", "attrs": {"language": language}, "content": content}
    content = []
    for index, line in enumerate(text.replace("\r", "").split("\n")):
        if index:
            content.append({"type": "hardBreak"})
        if line:
            content.append({"type": "text", "text": line})
    return {"type": "paragraph", "content": content}
