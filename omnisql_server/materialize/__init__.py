"""Stage materialize: fetched batches to the relations of one statement, filtered and masked for its principal."""
