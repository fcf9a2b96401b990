"""Lets `python -m datahub.cli` be the command `datahub`."""

from datahub.cli import main

main()
