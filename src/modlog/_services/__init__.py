"""What users call: the ledger, its commands, imports, checks."""
