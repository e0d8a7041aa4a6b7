"""What vendors' webhooks are signed with, and what they say has changed."""

from __future__ import annotations

from typing import Any

import pytest

from omnisql_server.model.freshness import Change
from omnisql_server.webhooks.vendors import VENDORS, is_signed

REPOSITORY = {"name": "web", "owner": {"login": "acme"}}
SECRET, CONTENT = b"It's a Secret to Everybody", b"Hello, World!"
SIGNATURE = "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
"""The example in GitHub's documentation."""


def test_a_signature_is_that_of_githubs_documentation() -> None:
    given = VENDORS["github"].signature({"X-Hub-Signature-256": f"sha256={SIGNATURE}"})
    assert is_signed(CONTENT, given, (b"another", SECRET))
    assert not is_signed(CONTENT, given, (b"another",))
    assert not is_signed(CONTENT + b" ", given, (SECRET,))
    assert not is_signed(CONTENT, given, ())


@pytest.mark.parametrize(
    ("connector", "headers"),
    [
        ("github", {"X-Hub-Signature": f"sha256={SIGNATURE}"}),
        ("github", {"X-Hub-Signature-256": f"sha1={SIGNATURE}"}),
        ("github", {"X-Hub-Signature-256": SIGNATURE}),
        ("jira", {"X-Hub-Signature": SIGNATURE}),
        ("linear", {"Linear-Signature": f"sha256={SIGNATURE}"}),
        ("linear", {}),
        ("github", {"X-Hub-Signature-256": "sha256=\xe9" * 20}),
    ],
)
def test_a_signature_in_another_form_is_none(connector: str, headers: dict[str, str]) -> None:
    assert not is_signed(CONTENT, VENDORS[connector].signature(headers), (SECRET,))


@pytest.mark.parametrize(
    ("event", "body", "change"),
    [
        (
            "issues",
            {"action": "edited", "issue": {"number": 7}, "repository": REPOSITORY},
            Change(
                tables=frozenset({"issues"}),
                keys={"owner": "acme", "repo": "web", "number": "7", "issue_number": "7"},
            ),
        ),
        ("issues", {"action": "transferred", "repository": REPOSITORY}, Change(tables=frozenset({"issues"}))),
        (
            "release",
            {"repository": REPOSITORY},
            Change(tables=frozenset({"releases"}), keys={"owner": "acme", "repo": "web"}),
        ),
        ("repository", {"repository": REPOSITORY}, Change()),
        ("star", {"repository": "odd"}, Change()),
        ("ping", {"zen": "Keep it logically awesome."}, None),
    ],
)
def test_an_event_of_github_is_about_a_repository_and_some_tables(event: str, body: Any, change: Change | None) -> None:
    assert VENDORS["github"].changes({"X-GitHub-Event": event}, body) == change


def test_an_event_of_jira_is_about_an_issue_unless_it_was_moved() -> None:
    issue = {"key": "WEB-7", "fields": {"project": {"key": "WEB"}}}
    changes = VENDORS["jira"].changes
    found = changes({}, {"webhookEvent": "jira:issue_updated", "issue": issue})
    assert found == Change(
        tables=frozenset({"issues", "issue_changelog"}),
        keys={"key": "WEB-7", "issue_key": "WEB-7", "project_key": "WEB"},
    )
    moved = {"items": [{"field": "Key"}]}
    assert changes({}, {"webhookEvent": "jira:issue_updated", "issue": issue, "changelog": moved}) == Change(
        tables=frozenset({"issues", "issue_changelog"})
    )
    assert changes({}, {"webhookEvent": "option_voting_changed"}) == Change()
    assert changes({}, {}) == Change()


def test_an_event_of_linear_is_about_a_table_and_says_when_it_was_sent() -> None:
    linear = VENDORS["linear"]
    assert linear.changes({}, {"type": "Comment"}) == Change(tables=frozenset({"comments"}))
    assert linear.changes({}, {"type": "Attachment"}) == Change()
    assert [
        linear.is_recent({"webhookTimestamp": ms}, 1000.0) for ms in (940_000, 939_000, 1_060_000, 1_061_000, "x")
    ] == [
        True,
        False,
        True,
        False,
        False,
    ]
    assert VENDORS["github"].is_recent({}, 1000.0)
