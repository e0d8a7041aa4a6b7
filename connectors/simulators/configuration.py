"""The settings that `/_sim/config` changes while a simulator runs; reading them is strict and all or nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from connectors.simulators.faults import Fault, InvalidConfigurationError, parse_fault, parse_status
from connectors.simulators.rate_limit import RateLimit

LATENCY_MAX_MS = 600_000
NEXT_FAULTS_MAX = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class SecondaryLimit:
    """A second limit beside the primary one, over all requests; `retry_after_s` is what a refusal says."""

    limit: int
    window_s: float
    retry_after_s: int = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatorConfig:
    """All settings; None means the vendor's own default."""

    latency_ms: float = 0.0
    jitter_ms: float = 0.0
    fault_rates: Mapping[int, float] = field(default_factory=dict)
    next_faults: tuple[Fault, ...] = ()
    rate_limit: RateLimit | None = None
    secondary_rate_limit: SecondaryLimit | None = None
    page_rows_max: int | None = None
    seed: int = 1

    def to_json(self) -> dict[str, Any]:
        """Return the settings in the form in which `/_sim/config` takes them."""
        rate, second = self.rate_limit, self.secondary_rate_limit
        return {
            "latency_ms": self.latency_ms,
            "jitter_ms": self.jitter_ms,
            "faults": {str(status): share for status, share in sorted(self.fault_rates.items())},
            "next": [fault.to_json() for fault in self.next_faults],
            "rate_limit": rate and {"limit": rate.limit, "window_s": rate.window_s},
            "secondary_rate_limit": second
            and {"limit": second.limit, "window_s": second.window_s, "retry_after_s": second.retry_after_s},
            "page_rows_max": self.page_rows_max,
            "seed": self.seed,
        }


def changed(config: SimulatorConfig, written: Any) -> SimulatorConfig:
    """Return `config` with the settings that are present in `written`; `next` is appended to what is pending.

    Raises:
        InvalidConfigurationError: an unknown key or a value out of range; nothing is changed then.
    """
    if not isinstance(written, dict):
        raise InvalidConfigurationError("the configuration must be an object")
    unknown = sorted(set(written) - set(_READERS))
    if unknown:
        raise InvalidConfigurationError(f"unknown keys: {', '.join(unknown)}; known keys: {', '.join(_READERS)}")
    for key, value in written.items():
        config = _READERS[key](config, value)
    return config


def _number(name: str, value: Any, minimum: float, maximum: float) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not minimum <= value <= maximum:
        raise InvalidConfigurationError(f"{name} must be a number from {minimum} to {maximum}, not {value!r}")
    return value


def _whole(name: str, value: Any, minimum: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < minimum:
        raise InvalidConfigurationError(f"{name} must be a whole number of at least {minimum}, not {value!r}")
    return value


def _members(name: str, value: Any, required: set[str], optional: set[str]) -> dict[str, Any]:
    if not isinstance(value, dict) or not required <= set(value) <= required | optional:
        raise InvalidConfigurationError(f"{name} must be null or an object with {', '.join(sorted(required))}")
    return value


def _latency(config: SimulatorConfig, value: Any) -> SimulatorConfig:
    return replace(config, latency_ms=_number("latency_ms", value, 0, LATENCY_MAX_MS))


def _jitter(config: SimulatorConfig, value: Any) -> SimulatorConfig:
    return replace(config, jitter_ms=_number("jitter_ms", value, 0, LATENCY_MAX_MS))


def _faults(config: SimulatorConfig, value: Any) -> SimulatorConfig:
    if not isinstance(value, dict):
        raise InvalidConfigurationError("faults must be an object from status to rate")
    rates = {parse_status(status): _number(f"faults[{status}]", rate, 0, 1) for status, rate in value.items()}
    if sum(rates.values()) > 1:
        raise InvalidConfigurationError("the rates of faults must sum to at most 1")
    return replace(config, fault_rates=rates)


def _next(config: SimulatorConfig, value: Any) -> SimulatorConfig:
    if not isinstance(value, list) or len(value) + len(config.next_faults) > NEXT_FAULTS_MAX:
        raise InvalidConfigurationError(f"next must be a list, with at most {NEXT_FAULTS_MAX} faults pending")
    return replace(config, next_faults=(*config.next_faults, *(parse_fault(fault) for fault in value)))


def _rate_limit(config: SimulatorConfig, value: Any) -> SimulatorConfig:
    if value is None:
        return replace(config, rate_limit=None)
    members = _members("rate_limit", value, {"limit", "window_s"}, set())
    window_s = _number("window_s", members["window_s"], 0.001, 86_400)
    return replace(config, rate_limit=RateLimit(limit=_whole("limit", members["limit"], 0), window_s=window_s))


def _secondary_rate_limit(config: SimulatorConfig, value: Any) -> SimulatorConfig:
    if value is None:
        return replace(config, secondary_rate_limit=None)
    members = _members("secondary_rate_limit", value, {"limit", "window_s"}, {"retry_after_s"})
    secondary = SecondaryLimit(
        limit=_whole("limit", members["limit"], 0),
        window_s=_number("window_s", members["window_s"], 0.001, 86_400),
        retry_after_s=_whole("retry_after_s", members.get("retry_after_s", 60), 0),
    )
    return replace(config, secondary_rate_limit=secondary)


def _page_rows_max(config: SimulatorConfig, value: Any) -> SimulatorConfig:
    return replace(config, page_rows_max=None if value is None else _whole("page_rows_max", value, 1))


def _seed(config: SimulatorConfig, value: Any) -> SimulatorConfig:
    return replace(config, seed=_whole("seed", value, 0))


_READERS: dict[str, Callable[[SimulatorConfig, Any], SimulatorConfig]] = {
    "latency_ms": _latency,
    "jitter_ms": _jitter,
    "faults": _faults,
    "next": _next,
    "rate_limit": _rate_limit,
    "secondary_rate_limit": _secondary_rate_limit,
    "page_rows_max": _page_rows_max,
    "seed": _seed,
}
