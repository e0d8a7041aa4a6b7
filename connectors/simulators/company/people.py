"""The people of the company and its four teams."""

from __future__ import annotations

import unicodedata

from connectors.simulators.company.model import Person, Team
from connectors.simulators.company.vocabulary import FIRST_NAMES, LAST_NAMES, hex_digest, seeded

TEAMS = (
    Team(name="web", title="Web", project_key="WEB"),
    Team(name="api", title="API", project_key="API"),
    Team(name="data", title="Data", project_key="DATA"),
    Team(name="mobile", title="Mobile", project_key="MOB"),
)
PEOPLE_COUNT = 40
BOT_LOGIN = "dependabot[bot]"
TIME_ZONES = ("America/Phoenix", "Europe/Berlin", "Asia/Tokyo", "Etc/UTC")


def build_people(seed: int) -> tuple[Person, ...]:
    """Return 40 people, the first of whom owns every token, followed by one bot."""
    random = seeded(seed, "people")
    surnames = list(LAST_NAMES)
    random.shuffle(surnames)
    people: list[Person] = []
    for index in range(PEOPLE_COUNT):
        first = FIRST_NAMES[index % len(FIRST_NAMES)]
        last = surnames[(index * 7 + index // len(FIRST_NAMES)) % len(surnames)]
        login = f"{_ascii(first)}-{_ascii(last)}"
        # Logins keep their case but compare without it; a few capitals make that visible.
        login = login if index % 5 else login.title()
        email = f"{_ascii(first)}.{_ascii(last)}.{index}@acme.example"
        people.append(
            Person(
                name=f"{first} {last}",
                login=login if login.lower() not in {p.login.lower() for p in people} else f"{login}-{index}",
                forge_id=10_000_000 + index * 97,
                account_id=f"5b10{hex_digest(seed, 'account', index)[:20]}",
                account_type="atlassian",
                email=email,
                public_email=None if index % 4 == 3 else email,
                team=TEAMS[index % len(TEAMS)].name,
                is_admin=index < 3,
                is_active=index != 17,
                is_bot=False,
                two_factor=index not in {11, 23},
                time_zone=TIME_ZONES[0] if index == 0 else TIME_ZONES[index % len(TIME_ZONES)],
            )
        )
    return (*people, _bot(seed))


def _bot(seed: int) -> Person:
    return Person(
        name="Automation for Acme",
        login=BOT_LOGIN,
        forge_id=49_699_333,
        account_id=f"557058:{hex_digest(seed, 'bot')[:24]}",
        account_type="app",
        email="bot@acme.example",
        public_email=None,
        team="web",
        is_admin=False,
        is_active=True,
        is_bot=True,
        two_factor=True,
        time_zone="Etc/UTC",
    )


def _ascii(name: str) -> str:
    plain = unicodedata.normalize("NFKD", name.replace("ø", "o").replace("Ł", "L"))
    return "".join(letter for letter in plain.lower() if letter.isascii() and letter.isalnum())
