"""The native API under /api/v1: datasets, rows, releases, submissions, decisions."""
