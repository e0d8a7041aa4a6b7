"""What may be asked of the source at random: by whom, of which rows, within which bounds."""

from __future__ import annotations

from dataclasses import replace

from fresh_source import BATCHED, KEYED, RESUMED, TABLE
from fresh_world import on
from hypothesis import strategies as st

from connectors.sdk.scan import Disjunction, Operator

MINUTE_US = 60_000_000
USERS = {
    "ana": ("all", None),
    "eve": ("all", ("x",)),
    "kim": ("all", ("x", "y")),
    "bob": ("public", None),
    "zoe": ("public", ("y",)),
}
"""Each user's credential and what policy shows of the rows."""

REPOS, TEAMS, STATES = st.sampled_from("abc"), st.sampled_from("xxyz"), st.sampled_from(["open", "closed"])
NUMBERS = st.integers(0, 3)
BOUNDS = st.sampled_from([0, MINUTE_US // 2, 2 * MINUTE_US, 10 * MINUTE_US, 10 * MINUTE_US])
REPO = st.one_of(
    REPOS.map(lambda repo: on("repo", Operator.EQ, repo)),
    st.lists(REPOS, min_size=2, max_size=3, unique=True).map(lambda repos: on("repo", Operator.IN, tuple(repos))),
)
PLAIN = st.one_of(
    STATES.map(lambda state: on("state", Operator.EQ, state)),
    TEAMS.map(lambda team: on("team", Operator.EQ, team)),
    st.lists(TEAMS, min_size=1, max_size=2, unique=True).map(lambda teams: on("team", Operator.IN, tuple(teams))),
    st.builds(
        lambda operator, number: on("n", operator, number),
        st.sampled_from([Operator.GT, Operator.GE, Operator.LT, Operator.LE, Operator.EQ]),
        NUMBERS,
    ),
)
SIDES = st.lists(st.lists(PLAIN, min_size=1, max_size=2).map(tuple), min_size=2, max_size=3).map(tuple)
MORE = st.one_of(PLAIN, PLAIN, SIDES.map(lambda sides: Disjunction(branches=sides)))


USER = st.sampled_from(sorted(USERS))
LIMIT = st.sampled_from([None, None, 1, 3])
TABLES = st.builds(
    lambda table, revalidates: replace(table, revalidates=revalidates),
    st.sampled_from([TABLE, KEYED, BATCHED, RESUMED]),
    st.sampled_from([True, True, False]),
)
HOW = st.fixed_dictionaries(
    {
        "max_us": BOUNDS,
        "kept": st.booleans(),
        "full_read_us": st.sampled_from([0, 15 * MINUTE_US, 60 * MINUTE_US]),
        "revalidate_us": st.sampled_from([0, 0, 20 * MINUTE_US]),
        "if_error_us": st.sampled_from([0, 5 * MINUTE_US, 20 * MINUTE_US]),
        "replica": st.integers(0, 1),
        "partial": st.booleans(),
        "next_user": st.sampled_from(sorted(USERS)),
    }
)
