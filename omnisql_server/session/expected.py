"""The replies that a session expects of its backend, in the order of what was sent. Pure, but for what replies do."""

from __future__ import annotations

from collections import deque

from omnisql_server.errors import OmniSQLError
from omnisql_server.session.exchange import PrivateReply
from omnisql_server.session.replies import CopyEnd, Reply, SyncReply


class Expected(deque[Reply]):
    """Replies, first that of the backend's next message."""

    @property
    def is_private(self) -> bool:
        """Say whether an answer is outstanding that the pipeline asked for."""
        return any(isinstance(reply, PrivateReply) for reply in self)

    def finish(self) -> Reply:
        """Forget the first reply, which is over, and the ends of COPY behind it; return it."""
        finished = self.popleft()
        while self and isinstance(self[0], CopyEnd):
            self.popleft()
        return finished

    def skip(self, error: OmniSQLError) -> None:
        """Forget the answers that PostgreSQL does not give after an error: the first, and all up to the next Sync."""
        self.popleft()
        while self and not isinstance(self[0], SyncReply):
            self.popleft().drop(error)

    def begin_copy_in(self) -> bool:
        """Learn that the first reply waits for COPY data of the client; say whether its end is yet to be sent.

        PostgreSQL ignores a Sync that it reads while it waits, so no answer to one is to be expected.
        """
        copy = self.popleft()
        while self and isinstance(self[0], SyncReply):
            self.popleft()
        is_open = not (self and isinstance(self[0], CopyEnd))
        if not is_open:
            self.popleft()
        self.appendleft(copy)
        return is_open

    def drop(self, error: OmniSQLError) -> None:
        """Tell all that there will be no answer."""
        while self:
            self.popleft().drop(error)
