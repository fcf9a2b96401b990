"""What an attacker who got past the gate would try, in a process confined or not.

`python tests/jail_probe.py confined|free FD PATH`: prints as JSON what worked.
"""

from __future__ import annotations

import json
import os
import socket
import sys
from collections.abc import Callable
from pathlib import Path

import duckdb

from datahub.guard.jail_limits import confine, read_only_these


def worked(attempt: Callable[[], object]) -> bool:
    """Tell whether an attempt came through."""
    try:
        attempt()
    except (OSError, duckdb.Error):
        return False
    return True


def lock(connection: duckdb.DuckDBPyConnection, file: str) -> None:
    """Leave a connection as DuckDB's own lock-down does, which is said to be safe."""
    connection.execute(f"set allowed_paths=['{file}']")
    connection.execute("set enable_external_access=false")
    connection.execute("set lock_configuration=true")


def main() -> None:
    """Try everything."""
    kind, handle, path = sys.argv[1], int(sys.argv[2]), sys.argv[3]
    own = f"/proc/self/fd/{handle}"
    through, read = duckdb.connect(), duckdb.connect()
    if kind == "confined":
        confine(1 << 30, parent=os.getppid())
        read_only_these([handle])
    lock(through, own)
    lock(read, own)
    found = {
        "reads its table": worked(lambda: read.execute(f"from read_parquet('{own}')").fetchall()),
        "reads a file": worked(lambda: Path("/etc/hostname").read_bytes()),
        "lists a folder": worked(lambda: list(Path("/").iterdir())),
        "reads by path": worked(lambda: Path(path).read_bytes()),
        "makes a file": worked(lambda: Path("/tmp/jail-probe").write_bytes(b"x")),
        "starts a program": worked(lambda: os.posix_spawn("/bin/true", ["true"], {})),
        "connects": worked(lambda: socket.socket().connect(("127.0.0.1", int(sys.argv[4])))),
        "overwrites its table": worked(
            lambda: through.execute(
                f"copy (select 666) to '{own}' (format csv, use_tmp_file false)"
            )
        ),
        "removes the table": worked(lambda: Path(path).rename(f"{path}.gone")),
        "becomes root": worked(lambda: os.setuid(0)),
    }
    found["user"] = os.getuid()
    print(json.dumps(found))


if __name__ == "__main__":
    main()
