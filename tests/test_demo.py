"""`datahub demo`, which `make run` is: publishes once, changes nothing later, leaves nothing behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import httpx
import pytest
from hub import Hub
from own_store import table, write_catalog


@pytest.fixture
def demo(tmp_path):
    """A catalog folder with one dataset and a script that makes its sample."""
    catalog = write_catalog(tmp_path / "catalog", "lamps")
    script = (
        "import pathlib, sys\n"
        "folder = pathlib.Path(sys.argv[1]) / 'lamps'\n"
        "folder.mkdir(parents=True)\n"
        f"(folder / 'lamps.csv').write_bytes({table()!r})\n"
    )
    (catalog / "sample.py").write_text(script, encoding="utf-8")
    own = Hub(tmp_path / "data", catalog=catalog)
    own.data.mkdir()
    return own


def test_a_second_run_changes_nothing(demo):
    """The first run publishes the sample, the second one finds everything in place."""
    first = demo.cli("demo", demo.catalog, "--stop")
    second = demo.cli("demo", demo.catalog, "--stop")
    assert "lamps 已发布第 1 版" in first.stdout, first.stderr
    assert "新增 0，修改 0，不变 1" in second.stdout, second.stderr
    assert "已发布" not in second.stdout
    assert [path.name for path in (demo.data / "public" / "lamps").iterdir()] == ["1"]


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL, signal.SIGINT])
def test_the_service_ends_with_it(demo, how):
    """However the command ends, the service that it started ends with it and frees the port."""
    command = [sys.executable, "-m", "datahub.cli", "demo", str(demo.catalog)]
    with subprocess.Popen(
        command, env=demo.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as running:
        while httpx_fails(f"{demo.url}/d/lamps/1/lamps.csv"):
            assert running.poll() is None
            time.sleep(0.1)
        os.kill(running.pid, how)
        running.wait(timeout=40)
    until = time.monotonic() + 10
    while not httpx_fails(f"{demo.url}/health/live") and time.monotonic() < until:
        time.sleep(0.1)
    assert httpx_fails(f"{demo.url}/health/live")


def test_a_taken_port_is_told(demo):
    """Another service on the port is not taken for its own; nothing is published there."""
    demo.register()
    demo.start()
    done = demo.cli("demo", demo.catalog, "--stop")
    demo.stop()
    assert done.returncode == 4
    assert str(demo.port) in done.stderr
    assert not (demo.data / "public" / "lamps").exists()


def httpx_fails(url: str) -> bool:
    """Whether nobody gives the good answer at an address."""
    try:
        return httpx.get(url, timeout=5).status_code != 200
    except httpx.TransportError:
        return True
