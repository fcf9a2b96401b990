"""The reading side: rows and files of releases, without any web framework."""
