"""Fixtures: generated sample data, a bare data folder, and a service with published data."""

from __future__ import annotations

import functools
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from hub import CATALOG, Hub, sample_files

PUBLISHED = ("air_hourly", "schools", "bus", "admin_license")


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Name bytes by their argument, for all processes that share the tests must name a test alike.

    Bytes that were compressed hold the second they were made in.
    """
    return argname if isinstance(val, bytes) else None


@pytest.fixture(scope="session", autouse=True)
def _authorities():
    """Load TLS authorities once; httpx does it for each call, at twenty times a request's cost."""
    default = httpx._transports.default
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(default, "create_ssl_context", functools.cache(default.create_ssl_context))
        yield


@pytest.fixture(scope="session")
def samples(tmp_path_factory) -> Path:
    """Folder of the generated sample files, one folder per dataset."""
    folder = tmp_path_factory.mktemp("samples")
    script = str(CATALOG / "sample.py")
    subprocess.run([sys.executable, script, str(folder)], check=True, capture_output=True)
    return folder


@pytest.fixture(scope="session")
def server(tmp_path_factory, samples) -> Hub:
    """A running service with four published datasets; tests must not withdraw or kill in it."""
    hub = Hub(tmp_path_factory.mktemp("server") / "data")
    hub.data.mkdir()
    hub.register()
    for dataset in PUBLISHED:
        hub.fill(dataset, *sample_files(samples, dataset))
    hub.start()
    yield hub
    hub.stop()


@pytest.fixture
def hub(tmp_path) -> Hub:
    """A service of the test's own, registered and running, with nothing published."""
    own = Hub(tmp_path / "data")
    own.data.mkdir()
    own.register()
    own.start()
    yield own
    own.stop()
