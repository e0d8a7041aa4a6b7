"""Stage fetch: the scans of a plan, run at once under their sources' limits, to Arrow batches and reports."""
