"""The stores: codec, schema, SQLite and PostgreSQL, and the recorder that they give."""
