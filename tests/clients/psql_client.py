"""Runs the script through psql, one process for a session, spoken to line by line."""

from __future__ import annotations

import csv
import io
import re
import signal
import subprocess
from collections.abc import Callable, Sequence

from answers import Parameters, Row, StatementFailed
from demo_server import DATABASE, PASSWORD, DemoServer

END = "~~end~~"
NULL = "~null~"
EXIT_TIMEOUT_S = 20.0


def connection_string(demo: DemoServer, user: str) -> str:
    """Return how psql connects: TLS, and channel binding, which makes it SCRAM-SHA-256-PLUS."""
    return (
        f"host=127.0.0.1 port={demo.port} dbname={DATABASE} user={user} password={PASSWORD}"
        " sslmode=require channel_binding=require"
    )


class PsqlClient:
    """One psql. Parameters are psql's own variables, which it quotes as literals."""

    def __init__(self, demo: DemoServer, user: str) -> None:
        self._demo, self._user = demo, user
        self._process = self._start()

    def rows(self, sql: str, parameters: Parameters = ()) -> list[Row]:
        """Run a statement and return its rows."""
        names = [f"\\set p{number} '{value}'\n" for number, value in enumerate(parameters, 1)]
        answer = self._say("".join(names) + re.sub(r"\$(\d+)", r":'p\1'", sql) + ";\n")
        return [tuple(None if value == NULL else value for value in row) for row in csv.reader(io.StringIO(answer))]

    def prepared(self, sql: str, parameter_sets: Sequence[Parameters]) -> list[list[Row]]:
        """Run the statement for each set; psql prepares nothing over the protocol before version 16."""
        return [self.rows(sql, parameters) for parameters in parameter_sets]

    def copied(self, sql: str) -> list[str]:
        """Run COPY."""
        return self._say(f"{sql};\n").splitlines()

    def paged(self, sql: str, page_rows: int) -> list[Row]:
        """Run with FETCH_COUNT, which is DECLARE CURSOR before version 17 and chunks of rows since."""
        self._say(f"\\set FETCH_COUNT {page_rows}\n")
        try:
            return self.rows(sql)
        finally:
            self._say("\\unset FETCH_COUNT\n")

    def canceled(self, sql: str, started: Callable[[], bool]) -> str | None:
        """Interrupt psql, as Ctrl-C does; reading from a pipe, it gives up then, so that another one goes on."""
        stdin = self._process.stdin
        assert stdin is not None
        stdin.write(f"{sql};\n")
        stdin.flush()
        while not started():
            continue
        self._process.send_signal(signal.SIGINT)
        said, _ = self._process.communicate(timeout=EXIT_TIMEOUT_S)
        self._process = self._start()
        return next(iter(re.findall(r"ERROR:  (\w+)", said)), None)

    def close(self) -> None:
        """End psql."""
        self._process.communicate("\\q\n", timeout=EXIT_TIMEOUT_S)

    def _start(self) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [
                *("psql", "-XqtA", "--csv", "-P", f"null={NULL}", "-v", "VERBOSITY=sqlstate"),
                connection_string(self._demo, self._user),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def _say(self, lines: str) -> str:
        """Have psql execute lines and return what it says."""
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        stdin.write(f"{lines}\\echo '\\n{END}' :SQLSTATE\n")
        stdin.flush()
        said: list[str] = []
        while not (line := stdout.readline()).startswith(END):
            assert line, f"psql ended: {''.join(said)}"
            said.append(line)
        sqlstate = line.split()[1]
        if sqlstate != "00000":
            raise StatementFailed(sqlstate, "".join(said))
        return "".join(said)[:-1]
