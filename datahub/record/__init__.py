"""The catalog record: its fields, code lists and rules. Pure, no I/O."""
