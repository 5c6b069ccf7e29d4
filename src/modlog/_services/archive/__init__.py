"""The log as a Parquet dataset, from which a ledger can be made again."""
