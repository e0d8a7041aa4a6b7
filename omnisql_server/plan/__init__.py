"""Stage plan: an authorized query to the fewest API requests that can answer it."""
