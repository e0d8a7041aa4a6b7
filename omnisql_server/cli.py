"""The command line: `omnisql serve`, `demo`, `query`, `source`, `connector`, `tenant`, `policy`, `audit`, `keys` and
`doctor`.

Exit codes: 0 it worked, 1 it failed, 2 the command line or the settings are wrong, 3 there is nobody to connect to,
130 interrupted.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from cyclopts import App, CycloptsError

from omnisql_server.commands.audit import audit
from omnisql_server.commands.connector import connector
from omnisql_server.commands.demo import demo
from omnisql_server.commands.doctor import doctor
from omnisql_server.commands.keys import keys
from omnisql_server.commands.log_in import log_in
from omnisql_server.commands.policy import policy
from omnisql_server.commands.query import query
from omnisql_server.commands.serve import serve
from omnisql_server.commands.source import source
from omnisql_server.commands.tenant import tenant
from omnisql_server.commands.terminal import KNOWN_ERRORS, ExitCode, report, show
from omnisql_server.commands.token import token

app = App(name="omnisql", help="A PostgreSQL whose foreign tables are SaaS APIs.", result_action="return_value")
for command in (serve, demo, query, source, connector, tenant, policy, audit, keys, doctor):
    app.command(command)
tenant.command(log_in)
tenant.command(token)


def main() -> None:
    """Run the command line of this process and exit."""
    sys.exit(execute(sys.argv[1:]))


def execute(arguments: Sequence[str]) -> int:
    """Run a command line and give its exit code; errors of users and operators are shown without a traceback."""
    try:
        result = app(list(arguments), exit_on_error=False, print_error=False)
    except CycloptsError as error:
        show(message=" ".join(str(error).split()), hint="See omnisql --help.")
        return ExitCode.USAGE
    except KeyboardInterrupt:
        return ExitCode.INTERRUPTED
    except (*KNOWN_ERRORS, BaseExceptionGroup) as error:
        return report(error)
    return result if isinstance(result, int) else ExitCode.OK
