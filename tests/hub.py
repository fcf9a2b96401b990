"""A real service on a real port with a data folder of its own, for tests and measuring runs."""

from __future__ import annotations

import os
import signal
import socket
import ssl
import subprocess
import sys
import time
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import command
import httpx
import pytest
from own_store import run, swift

from datahub.model import FileIn, Person, Role, State
from datahub.settings import Settings
from datahub.stages.receive import receive
from datahub.stages.register import register
from datahub.stages.review import review
from datahub.store import open_store, people

ROOT = Path(__file__).parent.parent
CATALOG = ROOT / "catalogs" / "yichang"
SHARED = ROOT.parent / "shared" / "data"
OVER = {"released", "rejected", "returned", "declined", "withdrawn"}
TLS = ssl.create_default_context()
"""For httpx, which otherwise loads all authorities anew for each request: 20 times its cost."""


def free_port() -> int:
    """Port that nobody listens on just now."""
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Hub:
    """One data folder and, once started, `datahub serve` on it."""

    def __init__(self, data: Path, *, catalog: Path = CATALOG, **settings: object) -> None:
        self.data, self.catalog = data, catalog
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.child: subprocess.Popen | None = None
        self.environment = os.environ | {
            "DATAHUB_DATA": str(data),
            "DATAHUB_PORT": str(self.port),
            "DATAHUB_SERVER": self.url,
            "DATAHUB_WORKERS": "1",
            "DATAHUB_LOG": "warning",
            "DATAHUB_TRUST": str(data.parent / "trust.json"),
            **{f"DATAHUB_{name.upper()}": str(value) for name, value in settings.items()},
        }
        self.tokens: dict[tuple[str, str | None], str] = {}

    # The command line -----------------------------------------------------------------

    def cli(self, *arguments: object, token: str = "", check: bool = False, timeout: float = 120):
        """Run `datahub ARGUMENTS` to its end."""
        environment = self.environment | {"DATAHUB_TOKEN": token, "COLUMNS": "200"}
        done = command.run([*map(str, arguments)], environment, timeout)
        if check and done.returncode:
            raise AssertionError(f"{arguments}: {done.returncode}\n{done.stdout}\n{done.stderr}")
        return done

    def register(self) -> None:
        """Register the catalog, as `datahub register` does."""
        with closing(open_store(Settings(data=self.data))) as store:
            register(store, self.catalog)

    def token(self, role: str, publisher: str | None = None) -> str:
        """Token of a person with this role, made once, as `datahub token create` does."""
        key, who = (role, publisher), _person(role, publisher)
        if key not in self.tokens:
            with closing(open_store(Settings(data=self.data))) as store:
                now = datetime.now(UTC)
                with store.catalog.write() as db:
                    people.save(db, who)
                    self.tokens[key] = people.create_token(
                        db, who.name, days=90, now=now, who="operator"
                    )
        return self.tokens[key]

    def fill(self, dataset: str, *files: tuple[str, str, bytes]) -> None:
        """Publish as `publish` does, but in this process, before the service starts.

        For tests of what is published; the pipeline and its children have tests of their own.
        """
        self.token("operator"), self.token("reviewer")
        store = open_store(Settings(data=self.data))
        with closing(store), pytest.MonkeyPatch.context() as patch:
            swift(patch)
            taken = []
            for resource, name, data in files:
                incoming = store.objects.incoming(1 << 30)
                incoming.write(data)
                sha256 = incoming.keep()
                taken.append(FileIn(resource=resource, name=name, bytes=len(data), sha256=sha256))
            found = receive(store, _person("operator"), dataset, taken)
            assert run(store, found) is State.IN_REVIEW
            found = review(store, _person("reviewer"), found.id, "approve", "")
            assert run(store, found) is State.RELEASED

    # The service ----------------------------------------------------------------------

    def start(self) -> Hub:
        """Start the service and wait until it is ready."""
        with (self.data.parent / f"serve-{self.port}.log").open("ab") as log:
            self.child = subprocess.Popen(
                [sys.executable, "-m", "datahub.cli", "serve"],
                env=self.environment,
                stdout=subprocess.DEVNULL,
                stderr=log,
            )
        self.wait_ready()
        return self

    def wait_ready(self, seconds: float = 120) -> None:
        """Wait until requests are answered."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            try:
                if httpx.get(f"{self.url}/health/ready", timeout=5, verify=TLS).status_code == 200:
                    return
            except httpx.TransportError:
                time.sleep(0.1)
        self.stop()
        raise AssertionError(f"not ready: {self.log()[-3000:]}")

    def log(self) -> str:
        """What the service wrote to standard error."""
        return (self.data.parent / f"serve-{self.port}.log").read_text(errors="replace")

    def stop(self) -> None:
        """Stop the service in an orderly way."""
        if self.child is not None:
            self.child.terminate()
            self.child.wait(timeout=40)
            self.child = None

    def kill(self, which: str) -> None:
        """Kill -9 the supervisor, a web process or the worker."""
        pid = self.child.pid if which == "supervisor" else self.pid(which)
        os.kill(pid, signal.SIGKILL)
        if which == "supervisor":
            self.child.wait()

    def pid(self, which: str) -> int:
        """Process id of the `web` or `worker` child of this service."""
        for child in (
            Path(f"/proc/{self.child.pid}/task/{self.child.pid}/children").read_text().split()
        ):
            words = Path(f"/proc/{child}/cmdline").read_bytes().split(b"\0")
            if which.encode() in words:
                return int(child)
        raise ProcessLookupError(which)

    # Requests -------------------------------------------------------------------------

    def get(self, path: str, *, token: str = "", **options) -> httpx.Response:
        """GET a path."""
        return httpx.get(
            self.url + path,
            headers=_auth(token) | options.pop("headers", {}),
            timeout=60,
            verify=TLS,
            **options,
        )

    def post(self, path: str, *, token: str = "", **options) -> httpx.Response:
        """POST to a path."""
        return httpx.post(
            self.url + path,
            headers=_auth(token) | options.pop("headers", {}),
            timeout=120,
            verify=TLS,
            **options,
        )

    def submit(
        self, dataset: str, *files: tuple[str, str, bytes], token: str = ""
    ) -> httpx.Response:
        """Hand in files given as (resource, file name, bytes)."""
        parts = [(resource, (name, data)) for resource, name, data in files]
        token = token or self.token("operator")
        return self.post(f"/api/v1/datasets/{dataset}/submissions", token=token, files=parts)

    def settle(
        self, identifier: str, *, seconds: float = 120, until: set[str] | None = None
    ) -> dict:
        """Wait until a submission needs a person or is over."""
        wanted, end = until or OVER | {"in_review"}, time.monotonic() + seconds
        found: dict = {}
        while time.monotonic() < end:
            found = self.get(
                f"/api/v1/submissions/{identifier}", token=self.token("operator")
            ).json()
            if found["state"] in wanted:
                return found
            time.sleep(0.1)
        raise AssertionError(f"{identifier} stays {found.get('state')}: {self.log()[-3000:]}")

    def approve(self, identifier: str) -> dict:
        """Approve a submission as a reviewer and wait for its release."""
        path, body = f"/api/v1/submissions/{identifier}/decisions", {"verdict": "approve"}
        answer = self.post(path, token=self.token("reviewer"), json=body)
        assert answer.status_code == 201, answer.text
        return self.settle(identifier, until=OVER)

    def publish(self, dataset: str, *files: tuple[str, str, bytes]) -> dict:
        """Hand in, approve, release."""
        answer = self.submit(dataset, *files)
        assert answer.status_code == 201, answer.text
        found = self.settle(answer.json()["id"])
        assert found["state"] == "in_review", found
        return self.approve(found["id"])


def _person(role: str, publisher: str | None = None) -> Person:
    name = f"{role}-{publisher or 'all'}"
    return Person(name=name, title=name, role=Role(role), publisher=publisher)


def _auth(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"} if token else {}


def sample_files(samples: Path, dataset: str) -> list[tuple[str, str, bytes]]:
    """Generated sample files of a dataset, as `Hub.submit` takes them."""
    return [
        (path.stem, path.name, path.read_bytes()) for path in sorted((samples / dataset).iterdir())
    ]


def sample_hub(folder: Path, *datasets: str) -> Hub:
    """Start a service with generated sample data of these datasets; the caller stops it."""
    hub, samples = Hub(folder / "data"), folder / "samples"
    hub.data.mkdir()
    hub.register()
    script = [sys.executable, str(CATALOG / "sample.py"), str(samples)]
    subprocess.run(script, check=True, capture_output=True)
    for dataset in datasets:
        hub.fill(dataset, *sample_files(samples, dataset))
    return hub.start()
