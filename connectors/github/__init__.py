"""GitHub over its REST API: repositories, issues, pull requests, comments, commits, releases, runs, members, labels."""
