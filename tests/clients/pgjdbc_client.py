"""Runs the script through pgjdbc: a Java program of one source file, spoken to line by line."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from answers import Parameters, Row, StatementFailed
from demo_server import DATABASE, PASSWORD, DemoServer

SOURCE = Path(__file__).with_name("PgjdbcClient.java")
COMMAND = ("java", "-Duser.timezone=UTC", "-XX:TieredStopAtLevel=1", "-Xshare:auto")
EXIT_TIMEOUT_S = 20.0


class PgjdbcClient:
    """One JVM with one connection; channel binding is required, which makes it SCRAM-SHA-256-PLUS.

    A statement is named, and its results binary, from its second execution on.
    """

    def __init__(self, demo: DemoServer, user: str, jar: Path) -> None:
        url = (
            f"jdbc:postgresql://127.0.0.1:{demo.port}/{DATABASE}"
            "?sslmode=require&sslfactory=org.postgresql.ssl.NonValidatingFactory&channelBinding=require&prepareThreshold=2"
        )
        self._log_url = f"{demo.jira.base_url}/_sim/requests"
        self._process = subprocess.Popen(
            [*COMMAND, "-cp", str(jar), str(SOURCE), url, user, PASSWORD],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            encoding="utf-8",
        )

    def rows(self, sql: str, parameters: Parameters = ()) -> list[Row]:
        """Run a statement and return its rows."""
        return self._results("ROWS", _with_marks(sql), *map(_typed, parameters))[0]

    def prepared(self, sql: str, parameter_sets: Sequence[Parameters]) -> list[list[Row]]:
        """Run one PreparedStatement twice."""
        first, second = parameter_sets
        return self._results("PREPARED", _with_marks(sql), *map(_typed, first), "--", *map(_typed, second))

    def copied(self, sql: str) -> list[str]:
        """Run COPY through CopyManager."""
        return [fields[0] or "" for kind, *fields in self._ask("COPIED", sql) if kind == "L"]

    def paged(self, sql: str, page_rows: int) -> list[Row]:
        """Run with a fetch size, which makes pgjdbc suspend the portal."""
        return self._results("PAGED", str(page_rows), sql)[0]

    def canceled(self, sql: str, started: Callable[[], bool]) -> str | None:  # the program watches the log itself
        """Run a statement that another thread cancels."""
        try:
            self._results("CANCELED", self._log_url, sql)
        except StatementFailed as failure:
            return failure.sqlstate
        return None

    def close(self) -> None:
        """End the program."""
        self._process.communicate(timeout=EXIT_TIMEOUT_S)
        assert self._process.returncode == 0

    def _results(self, *request: str) -> list[list[Row]]:
        results: list[list[Row]] = [[]]
        for kind, *fields in self._ask(*request):
            if kind == "N":
                results.append([])
            else:
                results[-1].append(tuple(fields))
        return results

    def _ask(self, *request: str) -> Iterator[list[str | None]]:
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        stdin.write("\t".join(request) + "\n")
        stdin.flush()
        found = []
        while (line := stdout.readline().rstrip("\n")) != "OK":
            assert line, "the Java program ended"
            fields = line.split("\t")
            if fields[0] == "E":
                raise StatementFailed(fields[1], fields[2])
            found.append([fields[0], *map(_unescaped, fields[1:])])
        yield from found


def _with_marks(sql: str) -> str:
    """Write parameters as JDBC does; the script uses each once and in order."""
    return re.sub(r"\$\d+", "?", sql)


def _typed(value: int | str) -> str:
    return f"i:{value}" if isinstance(value, int) else f"s:{value}"


def _unescaped(text: str) -> str | None:
    if text == "\\N":
        return None
    return re.sub(r"\\(.)", lambda match: {"t": "\t", "n": "\n"}.get(match[1], match[1]), text)
