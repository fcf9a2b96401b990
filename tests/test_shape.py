"""The shape of the project: small modules, light processes, locks that name no host, a true README."""

from __future__ import annotations

import ast
import re
import subprocess
import sys

import pytest
from hub import ROOT

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


def test_the_web_process_stays_light():
    """Serving requests loads neither the pipeline's engine nor the validation libraries."""
    heavy = "('dbos', 'frictionless', 'pyarrow', 'pandas', 'alembic', 'python_calamine')"
    code = f"import sys, datahub.web.app; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


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
