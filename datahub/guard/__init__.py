"""Borders: processes with limits, the only HTTP client, and text from outside."""
