"""A policy as a bundle that an OPA server loads (https://www.openpolicyagent.org/docs/management-bundles). Pure.

Equal policies make equal bytes: nothing in them tells when or where they were made.
"""

from __future__ import annotations

import gzip
import io
import json
import tarfile

from omnisql_server.policy.embedded import MODULE, decision_source
from omnisql_server.policy.rules import Rules

ROOTS = ["omnisql", "omnisql_policies"]


def bundle_of(rules: Rules) -> bytes:
    """Write the decision and the data of a policy as a gzipped tar archive."""
    files = {
        ".manifest": json.dumps({"revision": rules.revision, "roots": ROOTS, "rego_version": 1}),
        MODULE: decision_source(),
        "data.json": json.dumps({"omnisql_policies": rules.data}, indent=1, sort_keys=True),
    }
    archived = io.BytesIO()
    with tarfile.open(fileobj=archived, mode="w") as archive:
        for name, text in files.items():
            content = text.encode()
            entry = tarfile.TarInfo(f"/{name}")
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return gzip.compress(archived.getvalue(), mtime=0)
