"""The table-schema engine: read a file as a table, judge it, and give its typed columns.

Everything here that reads bytes from outside runs in a child of `datahub.guard.process`.
"""
