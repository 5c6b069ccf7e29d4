"""The log as a file or a table, for other programs."""
