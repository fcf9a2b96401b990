"""Datahub: an open public-data catalog and dataset publishing service for a city."""

__version__: str


def __getattr__(name: str) -> str:
    if name != "__version__":
        raise AttributeError(name)
    from importlib.metadata import version  # children that never tell it start sooner

    return version("datahub")
