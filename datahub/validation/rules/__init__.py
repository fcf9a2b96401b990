"""Rules that a table schema declares beyond Table Schema, under keys of our own.

A schema may carry `datahub:rules` (a list of rules over its fields), a field `datahub:check` (a
code whose check digit is to be right). The vocabulary is closed (`kinds`): no rule carries SQL.
`declared` reads and checks the declaration, `evaluated` runs it over a table in DuckDB.
"""

from datahub.validation.rules.declared import check_rules
from datahub.validation.rules.evaluated import RuleResult, run_rules

__all__ = ["RuleResult", "check_rules", "run_rules"]
