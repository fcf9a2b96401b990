"""The shape of the project: small modules, light processes, locks that name no host, a true README."""

from __future__ import annotations

import ast
import re
import socket
import subprocess
import sys

import pytest
from bench_peers import resident
from hub import ROOT, Hub

from datahub.cli.operate import LEAN
from datahub.settings import Settings
from datahub.store import open_store

MODULES = sorted((ROOT / "datahub").rglob("*.py"))
README = (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT)))
def test_modules_and_functions_stay_small(path):
    """No module has more than 450 lines, no function more than 60."""
    text = path.read_text(encoding="utf-8")
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    long = [
        node.name
        for node in ast.walk(ast.parse(text))
        if isinstance(node, functions) and node.end_lineno - node.lineno >= 60
    ]
    migrations = "migrations" in path.parts  # a migration is one long list of columns
    assert text.count("\n") <= 450
    assert migrations or long == []


_WEB = """
import socket, sys
from pathlib import Path
import uvicorn
from datahub.cli import processes
listener = socket.create_server(("127.0.0.1", 0))
sys.argv = ["", "web", str(listener.detach())]
uvicorn.Server.run = lambda *_, **__: None
processes.main()
from datahub.settings import load
from datahub.store import open_store
from datahub.web.app import create_app
create_app(open_store(load(data=Path("data"))))
print(*sorted({name.partition(".")[0] for name in sys.modules}))
"""


def test_a_web_process_starts_without_what_it_does_not_need(tmp_path):
    """As it is started, it has neither the commands nor what libraries load for others."""
    spared = {
        *("dbos", "frictionless", "pyarrow", "pandas", "numpy", "alembic", "python_calamine"),
        *("typer", "rich", "pygments", "httpx", "greenlet", "pydantic", "attr"),
        *("rjieba", "pypinyin", "cryptography", "xlsxwriter"),
    }
    open_store(Settings(data=tmp_path / "data")).close()  # as `serve` does before it starts one
    done = subprocess.run(
        [sys.executable, "-c", _WEB], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    assert set(done.stdout.split()) & spared == set()


def test_a_web_process_is_small(tmp_path):
    """It holds at most 150 MB after it has shown pages; its libraries' code is half of that."""
    hub = Hub(tmp_path / "data")
    hub.data.mkdir()
    hub.register()
    pages = ("/", "/datasets/air_hourly", "/docs", "/openapi.json", "/catalog.jsonld")
    with socket.create_server(("127.0.0.1", hub.port)) as listener:
        child = subprocess.Popen(
            [sys.executable, "-m", "datahub.cli.processes", "web", str(listener.fileno())],
            env=hub.environment | LEAN,
            pass_fds=(listener.fileno(),),
            stderr=subprocess.DEVNULL,
        )
    try:
        for page in pages * 2:
            assert hub.get(page).status_code == 200
        assert resident(child.pid) < 150e6
    finally:
        child.terminate()
        child.wait(timeout=30)


@pytest.mark.parametrize("name", ["run.txt", "test.txt"])
def test_locks_pin_hashes_and_name_no_host(name):
    """Every locked package has a version and hashes; no address stands in a lock."""
    text = (ROOT / ".lock" / name).read_text()
    packages = re.findall(r"^[a-z0-9][^\n]*(?:\n    --hash[^\n]*)+", text, re.MULTILINE)
    assert len(packages) > 50
    assert all("==" in package and "--hash=sha256:" in package for package in packages)
    assert "://" not in text
    assert "index-url" not in text


def test_readme_names_commands_that_exist():
    """Every `datahub VERB` of the README is a command, and every command is in the README."""
    shown = set(re.findall(r"^datahub ([a-z]+)", README, re.MULTILINE))
    shown |= set(re.findall(r"datahub ([a-z]+) ", README))
    done = subprocess.run(
        [sys.executable, "-m", "datahub.cli", "--help"], capture_output=True, text=True, check=True
    )
    commands = set(re.findall(r"^│ ([a-z]+) ", done.stdout, re.MULTILINE))
    assert shown <= commands
    assert commands - shown <= {"serve", "worker", "queries", "demo"}


def test_readme_names_paths_that_exist():
    """Every module of the layout is there."""
    for name in ("stages", "validation", "store", "serve", "guard", "web", "cli"):
        assert f"  {name}/" in README
        assert (ROOT / "datahub" / name).is_dir()


def test_make_help_lists_the_targets():
    """`make help` tells what each target is for."""
    done = subprocess.run(
        ["make", "-C", str(ROOT), "help"], capture_output=True, text=True, check=True
    )
    for target in ("run", "test", "lint", "types", "bench", "fmt", "clean"):
        assert re.search(rf"^  make {target} +\S", done.stdout, re.MULTILINE), target
