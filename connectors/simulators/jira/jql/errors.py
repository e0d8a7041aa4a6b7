"""The only error that reading or evaluating JQL raises."""

from __future__ import annotations


class JqlError(Exception):
    """A query that Jira would refuse; `messages` go into `errorMessages` of a 400."""

    def __init__(self, *messages: str) -> None:
        super().__init__("; ".join(messages))
        self.messages = messages


def syntax_error(text: str, position: int, what: str) -> JqlError:
    """Return an error that ends with the line and the character, both counted from 1."""
    line = text.count("\n", 0, position) + 1
    character = position - text.rfind("\n", 0, position)
    return JqlError(f"Error in the JQL Query: {what} (line {line}, character {character})")
