"""Kill -9 at random moments while departments submit; nothing acknowledged may be lost.

    python tests/kill.py [--rounds 30] [--seed N]

Ends with every acknowledged submission released or rejected, a clean `datahub verify`, and no
file in public/ that no release owns; exit code 1 otherwise.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path

import httpx
from hub import CATALOG, OVER, Hub, sample_files

DATASETS = ("schools", "clinics", "parking_charging", "bus")


class Department(threading.Thread):
    """Submits and approves without end; remembers what was acknowledged."""

    def __init__(self, hub: Hub, samples: Path, seed: int) -> None:
        super().__init__(daemon=True)
        self.hub, self.samples, self.chance = hub, samples, random.Random(seed)
        self.acknowledged: list[str] = []
        self.stopping = threading.Event()

    def run(self) -> None:
        while not self.stopping.is_set():
            dataset = self.chance.choice(DATASETS)
            try:
                answer = self.hub.submit(dataset, *sample_files(self.samples, dataset))
                if answer.status_code == 201:
                    self.acknowledged.append(answer.json()["id"])
                approve_all(self.hub)
            except httpx.TransportError:
                pass  # nobody answers just now: not acknowledged
            time.sleep(self.chance.uniform(0, 0.5))


def approve_all(hub: Hub) -> None:
    """Approve whatever is in review."""
    waiting = hub.get("/api/v1/submissions?state=in_review&limit=1000", token=hub.token("operator"))
    for found in waiting.json():
        path = f"/api/v1/submissions/{found['id']}/decisions"
        hub.post(path, token=hub.token("reviewer"), json={"verdict": "approve"})


def descendants(pid: int) -> list[int]:
    """Process ids below a process, children before grandchildren."""
    found = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in task.read_text().split():
            found += [int(child), *descendants(int(child))]
    return found


def strike(hub: Hub, chance: random.Random) -> str:
    """Kill one process of the service at random; start the service again if it was the first."""
    processes = [hub.child.pid, *descendants(hub.child.pid)]
    victim = chance.choice(processes)
    words = Path(f"/proc/{victim}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    os.kill(victim, signal.SIGKILL)
    if victim == hub.child.pid:
        hub.child.wait()
        hub.start()
        return "supervisor"
    return next((kind for kind in ("guard.child", "worker", "web") if kind in words), "other")


def rounds(hub: Hub, samples: Path, count: int, seed: int) -> bool:
    """Strike `count` times while a department works; tell whether everything held."""
    chance, struck = random.Random(seed), Counter()
    department = Department(hub, samples, seed)
    department.start()
    for number in range(count):
        time.sleep(chance.uniform(0.3, 3.0))
        try:
            struck[strike(hub, chance)] += 1
        except (FileNotFoundError, ProcessLookupError):
            struck["gone before"] += 1  # a child that had ended by itself
        print(
            f"\r· kill {number + 1}/{count}, {len(department.acknowledged)} acknowledged",
            end="",
            flush=True,
        )
    department.stopping.set()
    department.join()
    hub.wait_ready()
    print()
    return judge(hub, department.acknowledged, struck)


def judge(hub: Hub, acknowledged: list[str], struck: Counter) -> bool:
    """Let the pipeline come to rest, then check every promise."""
    states = Counter(settle(hub, identifier) for identifier in acknowledged)
    hub.stop()
    verified = hub.cli("verify", timeout=300)
    print(f"killed: {dict(struck)}\nacknowledged: {len(acknowledged)}, now: {dict(states)}")
    print(f"verify: exit {verified.returncode} {verified.stdout.strip()}")
    return verified.returncode == 0 and set(states) <= {"released", "rejected"}


def settle(hub: Hub, identifier: str) -> str:
    """State in which a submission comes to rest, approving it on the way."""
    found = hub.settle(identifier, seconds=300)
    if found["state"] == "in_review":
        path = f"/api/v1/submissions/{identifier}/decisions"
        hub.post(path, token=hub.token("reviewer"), json={"verdict": "approve"})
        found = hub.settle(identifier, seconds=300, until=OVER)
    return found["state"]


def main() -> None:
    """Run the rounds on a fresh data folder."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    options = parser.parse_args()
    print(f"seed {options.seed}")
    with tempfile.TemporaryDirectory(prefix="datahub-kill-") as temporary:
        folder = Path(temporary)
        script = [sys.executable, str(CATALOG / "sample.py"), str(folder / "samples")]
        subprocess.run(script, check=True, capture_output=True)
        hub = Hub(folder / "data")
        hub.data.mkdir()
        hub.register()
        hub.token("operator")
        hub.token("reviewer")
        hub.start()
        held = rounds(hub, folder / "samples", options.rounds, options.seed)
        hub.stop()
    sys.exit(0 if held else 1)


if __name__ == "__main__":
    main()
