"""Simulators of the vendors' APIs over one made-up company, for tests, benchmarks and the demo."""

from connectors.simulators.running import RunningSimulator, start_simulator

__all__ = ["RunningSimulator", "start_simulator"]
