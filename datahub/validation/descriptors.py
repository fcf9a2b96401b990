"""What is wrong with the schemas of a descriptor from outside; runs in a child."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from datahub.validation.metadata import check_package, check_schema


def problems(package: dict[str, Any]) -> list[tuple[str, str, str, str]]:
    """Field, rule, and texts of every fault that the validation has against a descriptor."""
    found = []
    for number, resource in enumerate(package["resources"]):
        for text in check_schema(resource["schema"]):
            zh = f"表结构有误：{text}"
            found.append((f"resources.{number}.schema", "schema", zh, text))
    if found:
        return found
    bare = [{**r, "schema": {"fields": [{"name": "a"}]}} for r in package["resources"]]
    return [
        ("", "package", f"不是有效的数据包：{text}", f"no valid Data Package: {text}")
        for text in check_package(package | {"resources": bare}, Path.cwd())
    ]
