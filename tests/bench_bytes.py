"""Measure downloads against nginx with sendfile on the same files, in turns of one run.

    python tests/bench_bytes.py

The service is the whole one, with its catalog, routes and log; nginx has one worker, as we have.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import tempfile
import time
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import msgspec
import pytest
from hub import Hub, free_port
from own_store import hand_in, own_store, publish, swift

from datahub.model import Distribution
from datahub.store import releases

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SIZE = 256 << 20
RANGE = 1 << 20
TURNS = 15
SECONDS = 3
AGAINST = "nginx 1 worker, sendfile"
NGINX = """
{user} worker_processes 1; daemon off; pid {folder}/pid; error_log {folder}/error.log;
events {{ worker_connections 512; }}
http {{
  access_log off; sendfile on; tcp_nopush on; keepalive_requests 1000000;
  client_body_temp_path {folder}/t; proxy_temp_path {folder}/t; fastcgi_temp_path {folder}/t;
  uwsgi_temp_path {folder}/t; scgi_temp_path {folder}/t;
  server {{ listen 127.0.0.1:{port}; root {root}; }}
}}
"""
RANGES = """
math.randomseed(7)
request = function()
  local at = math.random(0, %d)
  return wrk.format("GET", nil, {["Range"] = "bytes=" .. at .. "-" .. at + %d})
end
"""
TOLD = """
done = function(summary, latency, requests)
  local errors = summary.errors.status + summary.errors.read + summary.errors.timeout
  io.write(string.format('{"p50": %f, "p95": %f, "rate": %f, "bytes": %f, "errors": %d}',
    latency:percentile(50) / 1e6, latency:percentile(95) / 1e6,
    summary.requests / summary.duration * 1e6, summary.bytes / summary.duration * 1e6, errors))
end
"""


def measure(folder: Path | None = None) -> dict:
    """Figures by measure: seconds of ours and of nginx (p50), their ratio, p95 and MB/s of both."""
    if folder is None:
        with tempfile.TemporaryDirectory(prefix="datahub-bench-bytes-") as temporary:
            return measure(Path(temporary))
    if not all(map(shutil.which, ("nginx", "wrk", "curl"))):
        return {}
    hub = _released(folder)
    try:
        hub.start()
        with _nginx(folder / "nginx", hub.data / "public" / "lamps" / "2") as other:
            found = _figures(folder, f"{hub.url}/d/lamps/2", other)
            found["download of 256 MB"] |= {"memory": _memory(hub.pid("web"))}
            return found
    finally:
        hub.stop()


def _figures(folder: Path, ours: str, other: str) -> dict:
    ranges, plain = folder / "ranges.lua", folder / "plain.lua"
    ranges.write_text(RANGES % (SIZE - RANGE, RANGE - 1) + TOLD)
    plain.write_text(TOLD)
    big, small = ((f"{ours}/{name}", f"{other}/{name}") for name in ("big.bin", "small.bin"))
    return {
        "download of 256 MB": _in_turns(_curl, *big, turns=TURNS),
        "range of 1 MB, 4 connections": _in_turns(lambda url: _wrk(url, ranges, 4), *big, turns=3),
        "file of 1 kB, 1 connection": _in_turns(lambda url: _wrk(url, plain, 1), *small, turns=3),
    }


def _released(folder: Path) -> Hub:
    """Make a data folder with a big and a small file in release 2 of lamps."""
    with pytest.MonkeyPatch.context() as patch:
        swift(patch)
        store = own_store(folder)
        publish(store)
    staged, files = store.objects.staging(), []
    for name, size in (("big.bin", SIZE), ("small.bin", 1000)):
        data = (b"%d" % 7**99) * (size // 84 + 1)
        (staged / name).write_bytes(data[:size])
        digest = sha256(data[:size]).hexdigest()
        files.append(
            Distribution(
                path=name, bytes=size, sha256=digest, media_type="application/octet-stream"
            )
        )
    store.objects.publish(staged, "lamps", 2)
    other = hand_in(store)
    with store.catalog.write() as db:
        first = releases.get(db, "lamps", 1)
        second = msgspec.structs.replace(first, version=2, submission=other.id, files=tuple(files))
        releases.add(db, second, releases.get_package(db, "lamps", 1), who="bench")
    store.close()
    return Hub(folder / "data", anonymous_bytes=0)


@contextmanager
def _nginx(folder: Path, root: Path) -> Iterator[str]:
    """Serve a folder by nginx; yields its address."""
    folder.mkdir()
    port = free_port()
    user = "user root;" if os.geteuid() == 0 else ""  # else its worker may not read our folder
    text = NGINX.format(user=user, folder=folder, port=port, root=root)
    (folder / "nginx.conf").write_text(text)
    command = ["nginx", "-p", str(folder), "-c", str(folder / "nginx.conf"), "-e", f"{folder}/e"]
    child = subprocess.Popen(command)
    address = f"http://127.0.0.1:{port}"
    try:
        until = time.monotonic() + 20
        while time.monotonic() < until:
            try:
                httpx.head(address)
                break
            except httpx.TransportError:
                time.sleep(0.05)
        yield address
    finally:
        child.terminate()
        child.wait(20)


def _in_turns(ask: Callable[[str], dict], ours: str, other: str, *, turns: int) -> dict:
    """Ask both in turn, after one warm-up; the median turn of each counts."""
    found = [(ask(ours), ask(other)) for _ in range(turns + 1)][1:]
    mine, bare = ([turn[side] for turn in found] for side in (0, 1))
    p50 = [statistics.median(item["p50"] for item in side) for side in (mine, bare)]
    rate = [statistics.median(item["bytes"] for item in side) / 1e6 for side in (mine, bare)]
    return {
        "ours": p50[0], "bare": p50[1], "unit": "s", "against": AGAINST, "ratio": p50[0] / p50[1],
        "p95": [_p95(side) for side in (mine, bare)], "mb_per_s": rate,
    }  # fmt: skip


def _p95(side: list[dict]) -> float:
    """Of answers where the tool tells it, else of turns."""
    if "p95" in side[0]:
        return statistics.median(item["p95"] for item in side)
    times = sorted(item["p50"] for item in side)
    return times[int(0.95 * (len(times) - 1) + 0.5)]


def _curl(url: str) -> dict:
    form = "%{http_code} %{size_download} %{time_total}"
    command = ["curl", "-s", "-o", "/dev/null", "-w", form, url]
    status, size, seconds = subprocess.run(
        command, capture_output=True, text=True, check=True
    ).stdout.split()
    assert (status, int(size)) == ("200", SIZE), url
    return {"p50": float(seconds), "bytes": SIZE / float(seconds)}


def _wrk(url: str, script: Path, connections: int) -> dict:
    command = ["wrk", "-t1", f"-c{connections}", f"-d{SECONDS}s", "-s", str(script), url]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found = json.loads(told[told.index('{"p50"') :])
    assert found["errors"] == 0, told
    return found


def _memory(pid: int) -> int:
    """Most bytes that a process had resident."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) << 10 for line in lines if line.startswith("VmHWM"))


def main() -> None:
    """Print the figures."""
    for name, found in measure().items():
        p95 = " and ".join(f"{1000 * value:.2f}" for value in found["p95"])
        rate = " and ".join(f"{value:.0f}" for value in found["mb_per_s"])
        print(f"{name}: {1000 * found['ours']:.2f} ms against {1000 * found['bare']:.2f} ms of {AGAINST}: {found['ratio']:.2f}×; p95 {p95} ms; {rate} MB/s")  # fmt: skip
        if "memory" in found:
            print(f"  memory of the web process at most {found['memory'] / 1e6:.0f} MB")


if __name__ == "__main__":
    main()
