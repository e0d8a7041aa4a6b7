"""The client programs that come from elsewhere, each of a fixed version, installed once into the user's cache."""

from __future__ import annotations

import sys
from pathlib import Path

from installed_programs import digest, installed, require_program
from vendor_packages import from_npm

PGJDBC_VERSION = "42.7.7"
NODE_PACKAGES = ("pg@8.23.1", "pg-cursor@2.22.1", "pg-query-stream@4.17.0", "postgres@3.4.9")
SOQL_PACKAGE = "@jetstreamapp/soql-parser-js@6.3.1"
SCIM_PACKAGE = "scim2-parse-filter@0.2.10"
DBT_REQUIREMENTS = Path(__file__).with_name("dbt") / "requirements.txt"
GO_MODULE = Path(__file__).with_name("go_client")


def pgjdbc_jar() -> Path:
    """Return pgjdbc's jar from Maven Central."""
    require_program("mvn")

    def download(folder: Path) -> list[str]:
        artifact = f"-Dartifact=org.postgresql:postgresql:{PGJDBC_VERSION}"
        return ["mvn", "-q", "-B", "dependency:copy", f"-DoutputDirectory={folder}", artifact]

    return installed(f"pgjdbc-{PGJDBC_VERSION}", download) / f"postgresql-{PGJDBC_VERSION}.jar"


def node_modules() -> Path:
    """Return a folder whose `node_modules` has node-pg and postgres.js."""
    return from_npm("node", *NODE_PACKAGES)


def soql_parser() -> Path:
    """Return a folder whose `node_modules` has a parser of SOQL."""
    return from_npm("soql", SOQL_PACKAGE)


def scim_parser() -> Path:
    """Return a folder whose `node_modules` has a parser of filters of SCIM."""
    return from_npm("scim", SCIM_PACKAGE)


def dbt_python() -> Path:
    """Return the Python of an environment that has dbt, whose dependencies are not those of the project."""
    uv = Path(sys.executable).with_name("uv")

    def make(folder: Path) -> list[str]:
        return [str(uv), "venv", "-q", "-p", sys.executable, str(folder / "venv")]

    def install(folder: Path) -> list[str]:
        return [str(uv), "pip", "install", "-q", "-p", str(folder / "venv"), "-r", str(DBT_REQUIREMENTS)]

    return installed(f"dbt-{digest(DBT_REQUIREMENTS.read_text())}", make, install) / "venv" / "bin" / "python"


def go_program() -> Path:
    """Return the Go client, built with the modules of its go.sum."""
    require_program("go")
    sources = "".join(path.read_text() for path in sorted(GO_MODULE.iterdir()))

    def build(folder: Path) -> list[str]:
        return ["go", "build", "-C", str(GO_MODULE), "-o", str(folder / "client"), "."]

    return installed(f"go-{digest(sources)}", build) / "client"
