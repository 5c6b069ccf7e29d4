"""PostgreSQL, the store for a server. Nothing outside this folder knows it."""
