"""Stage policy: what a principal may see of a bound query. The only place that makes an `AuthorizedQuery`."""
