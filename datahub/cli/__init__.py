"""The command `datahub`: the same verbs as the stages.

Exit codes: 0 done; 1 the data is not valid, was rejected, or does not verify; 2 the command
line is wrong; 3 the request was refused (access, name, state); 4 the service cannot be reached
or is out of order: the same command may succeed later.
"""

from __future__ import annotations


def main() -> None:
    """Run the command line."""
    from datahub.cli.commands import run  # not needed by the processes of a service

    run()
