"""Rate limit headers, retry delays, kept bodies, options and outward rounding."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.registry import all_connectors, connector_named
from connectors.sdk.conditional import BodyStore, KeptBody
from connectors.sdk.connector import Option, QuotaObserved, Source
from connectors.sdk.errors import EmptyResult, OptionInvalid, Retryable, SourceTimeout
from connectors.sdk.instants import ceil_s, floor_s, iso_utc
from connectors.sdk.options import checked_base_url, checked_options
from connectors.sdk.quota import QuotaHeaders, ResetFormat, retry_after_s
from connectors.sdk.request import filled
from connectors.sdk.retry import RetryPolicy

NOW_S = 1_700_000_000.0


@pytest.mark.parametrize(
    ("form", "text", "seconds"),
    [
        (ResetFormat.EPOCH_S, "1700000030", 30.0),
        (ResetFormat.EPOCH_MS, "1700000030500", 30.5),
        (ResetFormat.SECONDS, "12", 12.0),
        (ResetFormat.ISO, "2023-11-14T22:14Z", 40.0),
        (ResetFormat.EPOCH_S, "1", 0.0),
        (ResetFormat.EPOCH_S, "soon", None),
        (ResetFormat.ISO, "soon", None),
    ],
)
def test_quota_headers_tell_when_the_limit_is_whole_again(form: ResetFormat, text: str, seconds: float | None) -> None:
    headers = QuotaHeaders(limit="l", remaining="r", reset="t", reset_format=form, bucket="b")
    read = headers.read({"l": "60", "r": "0", "t": text, "b": "search"}, bucket="core", now_s=NOW_S)
    assert read == QuotaObserved(bucket="search", limit=60, remaining=0, reset_s=seconds)
    assert headers.read({"t": text}, bucket="core", now_s=NOW_S) is None


def test_retry_after_is_seconds_or_a_date() -> None:
    assert retry_after_s({"retry-after": "7"}, NOW_S) == 7.0
    assert retry_after_s({"retry-after": "Tue, 14 Nov 2023 22:13:50 GMT"}, NOW_S) == 30.0
    assert retry_after_s({"retry-after": "nan"}, NOW_S) is None
    assert retry_after_s({}, NOW_S) is None


@pytest.mark.parametrize("jump_s", [-400 * 86_400.0, -3600.0, 3600.0, 400 * 86_400.0])
def test_a_clock_that_jumps_neither_closes_a_source_nor_opens_it(jump_s: float) -> None:
    headers = QuotaHeaders(limit="l", remaining="r", reset="t", reset_format=ResetFormat.EPOCH_S)
    told = {"l": "60", "r": "0", "t": "1700000030", "date": "Tue, 14 Nov 2023 22:13:20 GMT"}
    read = headers.read(told, bucket="core", now_s=NOW_S + jump_s)
    assert read is not None
    assert read.reset_s == 30.0
    after = {"retry-after": "Tue, 14 Nov 2023 22:13:50 GMT", "date": told["date"]}
    assert retry_after_s(after, NOW_S + jump_s) == 30.0
    undated = headers.read({"l": "60", "r": "0", "t": "1700000030"}, bucket="core", now_s=NOW_S + jump_s)
    assert undated is not None
    assert 0.0 <= (undated.reset_s or 0.0) <= 86_400.0


def test_delays_grow_to_a_bound_and_timeouts_are_tried_less_often() -> None:
    policy = RetryPolicy(delay_initial_s=1.0, delay_max_s=5.0)
    assert [policy.delay_s(attempt, lambda: 1.0) for attempt in (1, 2, 3, 4)] == [1.0, 2.0, 4.0, 5.0]
    assert policy.delay_s(3, lambda: 0.0) == 0.0
    assert policy.attempts_for(Retryable(message="x")) == 4
    assert policy.attempts_for(SourceTimeout(message="x")) == 2


def test_kept_bodies_stay_within_their_bytes_and_the_last_used_survive() -> None:
    store = BodyStore(400)
    for name in "abcd":
        store.put(("GET", name, ""), KeptBody(etag=name, content=b"x" * 100, headers={}))
    assert store.get(("GET", "a", "")) is not None
    store.put(("GET", "e", ""), KeptBody(etag="e", content=b"x" * 100, headers={}))
    assert store.get(("GET", "b", "")) is None
    assert store.get(("GET", "a", "")) is not None
    store.put(("GET", "big", ""), KeptBody(etag="big", content=b"x" * 101, headers={}))
    assert store.get(("GET", "big", "")) is None
    assert store.used_bytes == 400
    store.clear()
    assert store.used_bytes == 0


@given(st.datetimes(timezones=st.just(UTC)), st.sampled_from([1, 60]))
def test_rounding_goes_outward(moment: datetime, unit_s: int) -> None:
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    if epoch <= moment <= datetime(9999, 12, 31, 23, 58, tzinfo=UTC):
        floor, ceil = (
            epoch + timedelta(seconds=floor_s(moment, unit_s)),
            epoch + timedelta(seconds=ceil_s(moment, unit_s)),
        )
        assert floor <= moment <= ceil
        assert ceil - floor in {timedelta(0), timedelta(seconds=unit_s)}
    assert datetime.fromisoformat(iso_utc(ceil_s(moment, unit_s))).tzinfo is UTC


def test_path_values_stay_within_their_segment() -> None:
    assert filled("/a/{x}/{y}", x="b c/d?e#f", y=7) == "/a/b%20c%2Fd%3Fe%23f/7"
    for value in ("", ".", ".."):
        with pytest.raises(EmptyResult):
            filled("/a/{x}", x=value)


OPTIONS = (
    Option(name="base_url", description="", required=True),
    Option(name="version", description="", default="1"),
    Option(name="token", description="", required=True, secret=True),
)


def source(options: dict[str, str], secrets: dict[str, str]) -> Source:
    return Source(tenant="t", server="shop", connector="c", options=options, secrets=secrets)


def test_options_are_checked_and_defaulted() -> None:
    given_source = source({"base_url": "https://x"}, {"token": "s3cret"})
    assert checked_options(OPTIONS, given_source) == {"base_url": "https://x", "version": "1", "token": "s3cret"}
    assert "s3cret" not in repr(given_source)
    # An empty one is one that is not given.
    assert checked_options(OPTIONS, source({"base_url": "x", "version": ""}, {"token": "s"}))["version"] == "1"
    for options, secrets, words in (
        ({}, {"token": "s"}, "lacks option base_url"),
        ({"base_url": "x"}, {}, "lacks option token"),
        ({"base_url": "x", "color": "red"}, {"token": "s"}, "no option color"),
        ({"base_url": "x", "token": "s"}, {}, "no option token"),
    ):
        with pytest.raises(OptionInvalid, match=words) as raised:
            checked_options(OPTIONS, source(options, secrets))
        assert raised.value.sqlstate == "HV00D"


@pytest.mark.parametrize(
    "text", ["ftp://x", "https://", "https://u:p@x", "https://x?a=1", "https://x#y", "x", "http://a:b"]
)
def test_a_base_url_must_be_a_plain_address(text: str) -> None:
    with pytest.raises(OptionInvalid):
        checked_base_url(text, "shop")


def test_base_urls_lose_their_trailing_slash() -> None:
    assert checked_base_url("https://ghe.example/api/v3/", "shop") == "https://ghe.example/api/v3"


def test_connectors_are_found_by_name() -> None:
    names = [connector.name for connector in all_connectors()]
    assert names == sorted(names)
    assert {"github", "jira", "linear", "pagerduty", "salesforce"} <= set(names)
    assert connector_named("jira").name == "jira"
    with pytest.raises(OptionInvalid, match="no connector nope"):
        connector_named("nope")
