"""SQLite, the embedded store. Nothing outside this folder knows it."""
