"""Datahub: an open public-data catalog and dataset publishing service for a city."""

from importlib.metadata import version

__version__ = version("datahub")
