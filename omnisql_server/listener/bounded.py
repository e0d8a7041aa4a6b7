"""Sessions that end before their client wants: when their time is up, or their API token counts no more."""

from __future__ import annotations

from collections.abc import Iterator

from omnisql_server.listener.drain import Drainable
from omnisql_server.session.entrance import LogIn


class BoundedSessions:
    """The sessions with an end or a token; times are of the monotonic clock."""

    def __init__(self) -> None:
        self._ends_s: dict[Drainable, float] = {}
        self._tokens: dict[Drainable, str] = {}

    @property
    def tokens(self) -> frozenset[str]:
        """Return the ids of the tokens that opened sessions which are open."""
        return frozenset(self._tokens.values())

    def add(self, session: Drainable, log_in: LogIn, now_s: float) -> None:
        """Watch a session if its log-in bounds it."""
        if log_in.lasts_s is not None:
            self._ends_s[session] = now_s + log_in.lasts_s
        if log_in.token is not None:
            self._tokens[session] = log_in.token

    def remove(self, session: Drainable) -> None:
        """Watch a session no more."""
        self._ends_s.pop(session, None)
        self._tokens.pop(session, None)

    def over(self, now_s: float) -> Iterator[Drainable]:
        """Iterate over the sessions whose time is up, each once."""
        for session in [each for each, ends_s in self._ends_s.items() if now_s >= ends_s]:
            del self._ends_s[session]
            yield session

    def of_tokens(self, tokens: frozenset[str]) -> Iterator[Drainable]:
        """Iterate over the sessions that some tokens opened."""
        return iter([session for session, token in self._tokens.items() if token in tokens])
