"""The processes of a service: web, worker, queries.

The supervisor starts them as `python -m datahub.cli.processes NAME`, without the commands, which
would cost each of them memory and time; their settings come from the environment.
"""

from __future__ import annotations

import signal
import socket
import sys
from typing import TYPE_CHECKING, Any

from datahub.guard.spare import FRAMES, GREENLET, MODELS, TERMINAL, spare

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def main() -> None:
    """Be one of the processes: `web FD`, `worker` or `queries`."""
    spare(*FRAMES, *TERMINAL)
    name, *arguments = sys.argv[1:]
    if name == "worker":
        worker()
        return
    spare(*GREENLET, *MODELS)
    if name == "web":
        web(int(arguments[0]))
    else:
        queries()


def web(fd: int) -> None:
    """Serve HTTP on a socket that the supervisor opened."""
    import uvicorn

    from datahub.guard.supervisor import die_with_parent
    from datahub.web.protocol import BoundedHttp

    die_with_parent()
    listener = socket.socket(fileno=fd)
    config = uvicorn.Config(
        "datahub.web.app:application",
        factory=True,
        http=BoundedHttp,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,  # web.address believes them where the settings say so
        timeout_keep_alive=30,
        timeout_graceful_shutdown=15,
    )
    uvicorn.Server(config).run(sockets=[listener])


def worker(data: Path | None = None) -> None:
    """Run the pipeline and the errands until told to stop."""
    from datahub import errands, settings
    from datahub.guard.supervisor import die_with_parent
    from datahub.logs import configure
    from datahub.pipeline import work
    from datahub.store import open_store

    die_with_parent()
    chosen = settings.load(data=data)
    configure(chosen.log)
    stopping = _until_told()
    store = open_store(chosen)
    work(store, stopping, errands.start)
    store.close()


def queries(data: Path | None = None) -> None:
    """Keep query children until told to stop."""
    from datahub import settings
    from datahub.guard import jail
    from datahub.guard.supervisor import die_with_parent
    from datahub.logs import configure
    from datahub.serve.sql.child import birth, rehearse

    die_with_parent()
    chosen = settings.load(data=data)
    configure(chosen.log)
    rehearse()
    jail.serve(chosen, _until_told(), birth)


def _until_told() -> Callable[[], bool]:
    """Tell whether SIGTERM or SIGINT came."""
    stopping = False

    def stop(_signal: int, _frame: Any) -> None:
        nonlocal stopping
        stopping = True

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    return lambda: stopping


if __name__ == "__main__":
    main()
