"""A conformance kit: proves against a running source or simulator that a connector does what its tables declare."""

from connectors.sdk.testing.faults import Fault, Faults, prove_faults
from connectors.sdk.testing.prove import Proof, prove_table

__all__ = ["Fault", "Faults", "Proof", "prove_faults", "prove_table"]
