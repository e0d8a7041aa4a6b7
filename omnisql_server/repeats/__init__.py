"""Answers that are kept as they were sent, and the proof that a statement asked again may have one. See README.md."""
