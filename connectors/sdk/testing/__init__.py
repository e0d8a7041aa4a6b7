"""A conformance kit: proves against a running source or simulator that a connector does what its tables declare."""

from connectors.sdk.testing.faults import FaultProof, prove_faults
from connectors.sdk.testing.prove import Proof, prove_table, scans_of, shown_keys
from connectors.sdk.testing.spoiling import Fault, Faults
from connectors.sdk.testing.values import ValueProof, prove_values

__all__ = [
    "Fault",
    "FaultProof",
    "Faults",
    "Proof",
    "ValueProof",
    "prove_faults",
    "prove_table",
    "prove_values",
    "scans_of",
    "shown_keys",
]
