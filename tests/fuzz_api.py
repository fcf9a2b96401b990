"""Ask every documented operation at random and hold the answers against their documentation.

    python tests/fuzz_api.py [--cases 5000] [--seed 1] [--url http://127.0.0.1:8000]

Without --url a service of its own with sample data is started, and asked with an operator's
token, writes included. Every fault is printed with the curl line that shows it; exit code 1.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests
import schemathesis
from hub import sample_hub
from hypothesis import HealthCheck, Phase, given, seed, settings
from schemathesis import GenerationMode, checks
from schemathesis.core.failures import Failure, FailureGroup

checks.load_all_checks()
warnings.filterwarnings("ignore", module="schemathesis|hypothesis_jsonschema|jsonschema")
READING = ("GET", "HEAD")
_LONGEST = 32_000  # characters of an address; beyond 64 kB the server's parser says no by itself
_KEPT_OPEN = ("wait",)  # parameters that hold an answer back
_NAMES = (
    "not_a_server_error", "status_code_conformance", "content_type_conformance",
    "response_schema_conformance",
)  # fmt: skip


@dataclass
class Outcome:
    """What a run found."""

    asked: int = 0
    operations: int = 0
    statuses: dict[int, int] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)


def fuzz(
    document: str, *, each: int, seconds: float, token: str = "", writes: bool, number: int = 1
) -> Outcome:
    """Ask every operation of the document at this address `each` times, for so long at most.

    Half of the cases fit the documentation, half break it. Without `writes`, operations that are
    no reading ones are asked without a token, so that nothing is changed.
    """
    outcome, until = Outcome(), time.monotonic() + seconds
    schema = schemathesis.openapi.from_url(document, wait_for_schema=5)
    base = "/".join(document.split("/")[:3])
    chosen = [checks.CHECKS.get_one(name) for name in _NAMES]
    with requests.Session() as session:
        for found in schema.get_all_operations():
            operation = found.ok()
            outcome.operations += 1
            reading = operation.method.upper() in READING
            headers = {"Authorization": f"Bearer {token}"} if token and (reading or writes) else {}
            for case in _cases(operation, each, number):
                if time.monotonic() > until:
                    return outcome
                for name in _KEPT_OPEN:
                    (case.query or {}).pop(name, None)
                _ask(case, base, session, headers, chosen, outcome)
    return outcome


def _cases(operation: Any, each: int, number: int) -> list[Any]:
    """Cases of an operation: the same for the same number."""
    found: list[Any] = []
    for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
        try:
            strategy = operation.as_strategy(generation_mode=mode)

            @seed(number)
            @settings(
                max_examples=max(1, each // 2), database=None, deadline=None,
                phases=[Phase.generate], suppress_health_check=list(HealthCheck),
            )  # fmt: skip
            @given(strategy)
            def collect(case: Any) -> None:
                found.append(case)

            collect()
        except Exception as error:  # there is nothing to break in it
            if type(error).__name__ not in ("Unsatisfiable", "SkipTest"):
                raise
    return found


def _ask(case: Any, base: str, session: Any, headers: dict, chosen: list, outcome: Outcome) -> None:
    if len(case.as_curl_command()) > _LONGEST:
        return
    try:
        response = case.call(base_url=base, session=session, headers=headers, timeout=30,
                             allow_redirects=False)  # fmt: skip
    except requests.exceptions.RequestException as error:
        outcome.faults.append(f"{type(error).__name__}\n{case.as_curl_command(headers)}")
        return
    outcome.asked += 1
    outcome.statuses[response.status_code] = outcome.statuses.get(response.status_code, 0) + 1
    try:
        case.validate_response(response, checks=chosen)
    except (FailureGroup, Failure) as error:
        told = "; ".join(str(item)[:600] for item in getattr(error, "exceptions", [error]))
        outcome.faults.append(f"{case.method} {case.path} {response.status_code}: {told}\n"
                              f"{case.as_curl_command(headers)[:1500]}")  # fmt: skip


def main() -> int:
    """Run until enough cases were asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=5000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--url", default="")
    given_ = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="fuzz-api-") as folder:
        hub = None if given_.url else sample_hub(Path(folder), "air_hourly", "schools", "bus")
        url, token = (hub.url, hub.token("operator")) if hub else (given_.url, "")
        document, began = f"{url}/openapi.json", time.monotonic()
        count = sum(
            len(item) for item in requests.get(document, timeout=30).json()["paths"].values()
        )
        outcome = fuzz(document, each=-(-given_.cases // count), seconds=3600, token=token,
                       writes=hub is not None, number=given_.seed)  # fmt: skip
        if hub:
            hub.stop()
    for fault in outcome.faults:
        print(fault, end="\n\n")
    took = round(time.monotonic() - began)
    print(f"{outcome.asked} cases, {outcome.operations} operations, {took} s, answers: "
          f"{dict(sorted(outcome.statuses.items()))}, faults: {len(outcome.faults)}")  # fmt: skip
    return 1 if outcome.faults else 0


if __name__ == "__main__":
    sys.exit(main())
