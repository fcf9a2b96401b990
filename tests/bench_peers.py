"""The peers that rows are measured against: each in an environment of its own, the same table.

Datasette on SQLite, ROAPI and datap-rs with the table in memory, PostgreSQL without any HTTP
around it. Each is asked in the way that is fastest for it; who cannot be had is left out, and
the table says why.
"""

from __future__ import annotations

import csv
import json
import os
import pwd
import shutil
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote, urlencode

from hub import free_port

VERSIONS = {
    "Datasette": "datasette==0.65.5",
    "ROAPI": "roapi==0.12.7",
    "datap-rs": "datap-rs==0.8.6",
}
AT_MOST = 900  # seconds until a peer has its table
ENDLESS = ("page", "key", "group")
"""Questions with any number of forms; others have 900, more than a cache of answers holds."""


class Connection:
    """One kept-alive HTTP/1.1 connection with as little around it as Python allows."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._open()

    def _open(self) -> None:
        self._socket = socket.create_connection(("127.0.0.1", self._port), timeout=120)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._rest = b""

    def ask(self, request: bytes) -> bytes:
        """Send a request and return the body of its answer, which must be a 200."""
        try:
            self._socket.sendall(request)
            head = self._until(b"\r\n\r\n")
        except OSError:  # some close what is idle for a few seconds
            self.close()
            self._open()
            self._socket.sendall(request)
            head = self._until(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 200"):
            raise AssertionError(head[:600].decode() + self._rest[:300].decode(errors="replace"))
        fields = {
            k.strip().lower(): v.strip()
            for k, _, v in (line.partition(b":") for line in head.split(b"\r\n")[1:])
        }
        if b"content-length" in fields:
            return self._take(int(fields[b"content-length"]))
        pieces = []
        while size := int(self._until(b"\r\n")[:-2], 16):
            pieces.append(self._take(size))
            self._take(2)
        self._take(2)
        return b"".join(pieces)

    def _until(self, mark: bytes) -> bytes:
        while mark not in self._rest:
            self._more()
        head, _, self._rest = self._rest.partition(mark)
        return head + mark

    def _take(self, size: int) -> bytes:
        while len(self._rest) < size:
            self._more()
        found, self._rest = self._rest[:size], self._rest[size:]
        return found

    def _more(self) -> None:
        data = self._socket.recv(1 << 18)
        if not data:
            raise ConnectionError("closed")
        self._rest += data

    def close(self) -> None:
        """Close it."""
        self._socket.close()


def get(path: str, **query: object) -> bytes:
    """Bytes of a GET request."""
    target = quote(path) + (f"?{urlencode(query)}" if query else "")
    return f"GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()


def post(path: str, body: object) -> bytes:
    """Bytes of a POST request with JSON, or with a text as it is."""
    data = body.encode() if isinstance(body, str) else json.dumps(body, ensure_ascii=False).encode()
    kind = "text/plain" if isinstance(body, str) else "application/json"
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {kind}\r\nContent-Length: {len(data)}\r\n\r\n"
    return head.encode() + data


class Peer:
    """A server with the table; `requests` maps a question to the bytes that ask it."""

    name = ""
    note = ""

    def __init__(self, folder: Path, table: dict) -> None:
        self.folder, self.table, self.port = folder, table, free_port()
        self.child: subprocess.Popen | None = None

    def environment(self) -> Path:
        """Install the peer into an environment of its own; return the folder of its programs."""
        own = self.folder / "environments" / self.name
        programs = own / "bin"
        if not own.exists():
            uv = Path(sys.executable).with_name("uv")
            subprocess.run([uv, "venv", "-q", own], check=True, capture_output=True)
            package = [VERSIONS[self.name]] + (
                ["setuptools<81"] if self.name == "Datasette" else []
            )
            subprocess.run(
                [uv, "pip", "install", "-q", "--python", programs / "python", *package],
                check=True,
                capture_output=True,
            )
        return programs

    def start(self) -> None:
        """Start it and wait until it answers the first question."""
        with (self.folder / f"{self.name}.log").open("wb") as log:
            self.child = subprocess.Popen(self.command(), stdout=log, stderr=log, cwd=self.folder)
        until = time.monotonic() + AT_MOST
        while True:
            try:
                connection = Connection(self.port)
                connection.ask(self.request("page", 0))
                connection.close()
            except (OSError, AssertionError) as error:
                if self.child.poll() is not None or time.monotonic() > until:
                    raise RuntimeError(f"{self.name}: {error} {self.log()}") from None
                time.sleep(0.3)
            else:
                return

    def log(self) -> str:
        """End of what it wrote."""
        return (self.folder / f"{self.name}.log").read_text(errors="replace")[-600:]

    def command(self) -> list:
        """Command line."""
        raise NotImplementedError

    def request(self, question: str, number: int) -> bytes:
        """Bytes that ask a question in its n-th form."""
        raise NotImplementedError

    def rows(self, body: bytes) -> list[dict]:
        """Rows of an answer."""
        return json.loads(body)

    def asker(self):
        """Function that asks `(question, number)` over one connection and returns bytes."""
        connection = Connection(self.port)
        return lambda question, number: connection.ask(self.request(question, number))

    def memory(self) -> int:
        """Resident bytes of its processes."""
        return resident(self.child.pid)

    def stop(self) -> None:
        """End it."""
        if self.child is not None:
            self.child.terminate()
            with suppress(subprocess.TimeoutExpired):
                self.child.wait(timeout=10)
            if self.child.poll() is None:
                self.child.kill()
                self.child.wait()

    def sql(self, question: str, number: int) -> str:
        """Write a question as SQL."""
        n, deep = number, self.table["deep"]
        district = self.table["districts"][n % len(self.table["districts"])]
        return {
            "page": f"select * from bench limit 100 offset {n * 7}",
            "filters": f"select * from bench where district = '{district}' and amount >= {n * 997} limit 100",
            "key": f"select * from bench where id = {self.table['ids'][n % 100_000]}",
            "group": f"select district, count(*) as n, avg(amount) as a from bench where id >= {n} group by district",
            "order": f"select * from bench order by rate limit 100 offset {n * 100}",
            "deep": f"select * from bench limit 100 offset {deep + n * 100}",
        }[question]


class Datasette(Peer):
    """SQLite with its primary key, immutable; totals and facets are not asked for."""

    name = "Datasette"

    def command(self) -> list:
        base = self.folder / "bench.db"
        if not base.exists():
            with (
                sqlite3.connect(base) as db,
                self.table["csv"].open(encoding="utf-8", newline="") as file,
            ):
                rows = csv.reader(file)
                names = next(rows)
                kinds = {"integer": "integer", "number": "real"}
                columns = ", ".join(
                    f'"{n}" {kinds.get(self.table["kinds"][n], "text")}'
                    + (" primary key" if n == "id" else "")
                    for n in names
                )
                db.execute(f"create table bench ({columns})")
                db.executemany(f"insert into bench values ({','.join('?' * len(names))})", rows)
                db.execute("create index bench_rate on bench (rate)")
            db.close()
        return [self.environment() / "datasette", "serve", "-i", base, "-p", str(self.port),
                "--setting", "sql_time_limit_ms", "60000", "--setting", "suggest_facets", "off"]  # fmt: skip

    def request(self, question: str, number: int) -> bytes:
        n, plain = number, {"_shape": "array", "_nocount": 1, "_nofacet": 1}
        district = self.table["districts"][n % len(self.table["districts"])]
        after = {"page": n * 7 - 1, "deep": self.table["deep"] + n * 100 - 1}
        if question in after:
            return get(
                "/bench/bench.json",
                **plain,
                _size=100,
                **({"_next": after[question]} if after[question] >= 0 else {}),
            )
        if question == "filters":
            return get(
                "/bench/bench.json",
                **plain,
                _size=100,
                district__exact=district,
                amount__gte=n * 997,
            )
        if question == "key":
            return get(f"/bench/bench/{self.table['ids'][n % 100_000]}.json", _shape="array")
        return get("/bench.json", _shape="array", sql=self.sql(question, n))

    def rows(self, body: bytes) -> list[dict]:
        found = json.loads(body)
        return found["rows"] if isinstance(found, dict) else found


class Roapi(Peer):
    """Apache DataFusion on Arrow in memory, asked in SQL."""

    name = "ROAPI"

    def command(self) -> list:
        return [self.environment() / "roapi", "-t", f"bench={self.table['parquet']}",
                "-a", f"127.0.0.1:{self.port}", "-p", f"127.0.0.1:{free_port()}",
                "--addr-flight-sql", f"127.0.0.1:{free_port()}"]  # fmt: skip

    def request(self, question: str, number: int) -> bytes:
        return post("/api/sql", self.sql(question, number))


class DatapRs(Peer):
    """Apache DataFusion on Arrow in memory with its equality index."""

    name = "datap-rs"

    def command(self) -> list:
        script = self.folder / "datap.py"
        script.write_text(
            "import asyncio\nfrom datap_rs.datapress import DataPress, DataPressConfig, DatasetConfig\n"
            "async def main():\n"
            f"    table = DatasetConfig(name='bench', source={str(self.table['parquet'])!r}, format='parquet', mode='auto')\n"
            f"    config = DataPressConfig(backend='datafusion', listen='127.0.0.1', port={self.port}, workers=2)\n"
            "    await DataPress(config, datasets=[table]).run()\n"
            "asyncio.run(main())\n"
        )
        return [self.environment() / "python", script]

    def request(self, question: str, number: int) -> bytes:
        n = number
        district = self.table["districts"][n % len(self.table["districts"])]
        asked = {
            "page": {"page": 1 + n % 7, "page_size": 100},
            "filters": {
                "predicates": [
                    {"col": "district", "op": "eq", "val": district},
                    {"col": "amount", "op": "gte", "val": n * 997},
                ],
                "page_size": 100,
            },
            "key": {
                "predicates": [{"col": "id", "op": "eq", "val": self.table["ids"][n % 100_000]}],
                "page_size": 100,
            },
            "group": {
                "predicates": [{"col": "id", "op": "gte", "val": n}],
                "group_by": ["district"],
                "aggregations": [
                    {"op": "count", "alias": "n"},
                    {"op": "avg", "col": "amount", "alias": "a"},
                ],
                "page_size": 100,
            },
            "order": {"order_by": [{"col": "rate"}], "page": 1 + n, "page_size": 100},
            "deep": {"page": self.table["deep"] // 100 + 1 + n, "page_size": 100},
        }[question]
        return post("/api/v1/datasets/bench/query", asked)

    def rows(self, body: bytes) -> list[dict]:
        found = json.loads(body)
        return found if isinstance(found, list) else found["data"]


class Postgres(Peer):
    """PostgreSQL with primary key and an index on what is sorted by; JSON as PostgREST asks it.

    It is asked by psql over a Unix socket: its own protocol, no HTTP, in its favour.
    """

    name = "PostgreSQL"
    note = "by its own protocol, without HTTP"

    def command(self) -> list:
        raise NotImplementedError

    def start(self) -> None:
        """Make a cluster as a user without rights, fill it, and keep one psql open."""
        self._data = self.folder / "postgres"
        if shutil.which("initdb") is None or os.geteuid() != 0:
            raise RuntimeError("PostgreSQL: initdb is not installed, or not run as root")
        user = pwd.getpwnam("nobody")
        self._as = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": [], "cwd": "/"}
        self._data.mkdir()
        os.chown(self._data, user.pw_uid, user.pw_gid)
        place = self._data
        while place != place.parent:  # it must be able to get at its folder
            place = place.parent
            if place.stat().st_uid == 0 and place != Path("/") and not place.stat().st_mode & 0o001:
                place.chmod(place.stat().st_mode | 0o111)
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}
        done = subprocess.run(
            [
                "initdb",
                "-D",
                self._data / "cluster",
                "-U",
                "bench",
                "-A",
                "trust",
                "-E",
                "UTF8",
                "--locale=C",
            ],
            **quiet,
            **self._as,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"PostgreSQL: {done.stderr.decode()[-300:]}")
        self.child = subprocess.Popen(
            ["postgres", "-D", self._data / "cluster", "-k", self._data, "-p", str(self.port), "-c", "listen_addresses=", "-c", "shared_buffers=512MB", "-c", "fsync=off"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **self._as,
        )  # fmt: skip
        self._psql = [
            "psql",
            "-h",
            str(self._data),
            "-p",
            str(self.port),
            "-U",
            "bench",
            "-d",
            "postgres",
            "-X",
            "-q",
            "-A",
            "-t",
            "-v",
            "ON_ERROR_STOP=1",
        ]
        until = time.monotonic() + 60
        while subprocess.run(
            [*self._psql, "-c", "select 1"], capture_output=True, check=False
        ).returncode:
            if time.monotonic() > until or self.child.poll() is not None:
                raise RuntimeError("PostgreSQL does not start")
            time.sleep(0.3)
        kinds = {
            "integer": "bigint",
            "number": "double precision",
            "date": "date",
            "datetime": "timestamp",
        }
        columns = ", ".join(f'"{n}" {kinds.get(k, "text")}' for n, k in self.table["kinds"].items())
        with self.table["csv"].open("rb") as file:
            subprocess.run([*self._psql, "-c", f"create table bench ({columns})"], check=True)
            subprocess.run(
                [*self._psql, "-c", "copy bench from stdin (format csv, header)"],
                stdin=file,
                check=True,
            )
        for statement in (
            "alter table bench add primary key (id)",
            "create index on bench (rate)",
            "vacuum analyze bench",
        ):
            subprocess.run([*self._psql, "-c", statement], check=True)

    def sql(self, question: str, number: int) -> str:
        """Write a question as SQL; pages by keyset, which an index answers."""
        first = {"page": number * 7, "deep": self.table["deep"] + number * 100}
        if question in first:
            return f"select * from bench where id >= {first[question]} order by id limit 100"
        return super().sql(question, number)

    def asker(self):
        """Ask through one psql that stays open, answers ended by a line of our own."""
        child = subprocess.Popen(self._psql, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self._clients = [*getattr(self, "_clients", []), child]

        def ask(question: str, number: int) -> bytes:
            sql = f"select coalesce(json_agg(t), '[]') from ({self.sql(question, number)}) t;\n\\echo ==end==\n"
            child.stdin.write(sql.encode())
            child.stdin.flush()
            lines = []
            while (line := child.stdout.readline()) != b"==end==\n":
                lines.append(line)
            return b"".join(lines)

        return ask

    def stop(self) -> None:
        """End clients and server."""
        for client in getattr(self, "_clients", []):
            client.stdin.close()
            client.stdout.close()
            client.wait(timeout=10)
        super().stop()


PEERS = (Datasette, Roapi, DatapRs, Postgres)


def resident(pid: int) -> int:
    """Resident bytes of a process and its children; what they share is counted once."""
    family, waiting = [], [pid]
    while waiting:
        family.append(waiting.pop())
        for task in Path(f"/proc/{family[-1]}/task").iterdir():
            waiting += map(int, (task / "children").read_text().split())
    if len(family) == 1:
        return _kilobytes(pid, "status", "VmRSS") << 10
    return sum(_kilobytes(one, "smaps_rollup", "Pss") for one in family) << 10


def _kilobytes(pid: int, file: str, name: str) -> int:
    with suppress(OSError):  # it may have ended
        for line in Path(f"/proc/{pid}/{file}").read_text().splitlines():
            if line.startswith(f"{name}:"):
                return int(line.split()[1])
    return 0


def at_once(asker, question: str, *, clients: int = 16, seconds: float = 3.0) -> float:
    """Requests per second of so many clients at a time."""
    done, until, lock = [0], time.monotonic() + seconds, threading.Lock()

    def work(first: int) -> None:
        ask, number = asker(), first
        while time.monotonic() < until:
            ask(question, number if question in ENDLESS else number % 900)
            number += clients
            with lock:
                done[0] += 1

    threads = [threading.Thread(target=work, args=(n,)) for n in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return done[0] / seconds
