"""Guessing gets slower; those who know their password are kept out for as little as possible."""

from __future__ import annotations

from omnisql_server.session.lockout import ADDRESS, COUNTED_MAX, FORGET_S, USER, USER_AT_ADDRESS, Lockout

HERE, THERE = "192.0.2.1", "192.0.2.2"


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def guess(lockout: Lockout, times: int, user: str = "ana", address: str = HERE) -> None:
    for _ in range(times):
        lockout.failed("acme", user, address)


def test_a_few_failures_have_no_consequence() -> None:
    lockout = Lockout(Clock())
    guess(lockout, USER_AT_ADDRESS.free - 1)
    assert not lockout.is_closed("acme", "ana", HERE)


def test_more_close_the_way_for_twice_as_long_each_time() -> None:
    clock = Clock()
    lockout = Lockout(clock)
    guess(lockout, USER_AT_ADDRESS.free)
    for wait_s in (1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300):
        assert lockout.is_closed("acme", "ana", HERE)
        clock.now_s += wait_s - 0.5
        assert lockout.is_closed("acme", "ana", HERE)
        clock.now_s += 1
        assert not lockout.is_closed("acme", "ana", HERE)
        guess(lockout, 1)


def test_others_are_not_concerned() -> None:
    lockout = Lockout(Clock())
    guess(lockout, USER_AT_ADDRESS.free)
    assert not lockout.is_closed("acme", "ana", THERE)
    assert not lockout.is_closed("acme", "bob", HERE)
    assert not lockout.is_closed("beta", "ana", HERE)


def test_one_address_that_tries_many_users_is_closed_for_all_of_them() -> None:
    lockout = Lockout(Clock())
    for number in range(ADDRESS.free):
        guess(lockout, 1, f"user{number}")
    assert lockout.is_closed("acme", "ana", HERE)
    assert not lockout.is_closed("acme", "ana", THERE)


def test_one_user_who_is_tried_from_many_addresses_is_closed_for_a_while() -> None:
    clock = Clock()
    lockout = Lockout(clock)
    for number in range(USER.free):
        guess(lockout, 1, address=f"10.0.0.{number}")
    assert lockout.is_closed("acme", "ana", THERE)
    clock.now_s += USER.wait_max_s
    assert not lockout.is_closed("acme", "ana", THERE)


def test_a_log_in_forgets_the_failures_before_it() -> None:
    lockout = Lockout(Clock())
    guess(lockout, USER_AT_ADDRESS.free - 1)
    lockout.succeeded("acme", "ana", HERE)
    guess(lockout, USER_AT_ADDRESS.free - 1)
    assert not lockout.is_closed("acme", "ana", HERE)


def test_failures_of_long_ago_do_not_count() -> None:
    clock = Clock()
    lockout = Lockout(clock)
    guess(lockout, USER_AT_ADDRESS.free - 1)
    clock.now_s += FORGET_S + 1
    guess(lockout, 1)
    assert not lockout.is_closed("acme", "ana", HERE)


def test_what_is_counted_is_bounded() -> None:
    lockout = Lockout(Clock())
    for number in range(COUNTED_MAX):
        lockout.failed("acme", f"user{number}", f"10.0.{number // 250}.{number % 250}")
    assert len(lockout._counts) == COUNTED_MAX
