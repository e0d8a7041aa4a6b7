"""The one error of a query that cannot be answered."""

from __future__ import annotations


class SoqlError(Exception):
    """A query is refused, with the code and the words that the API answers with."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
