"""Accounts that a platform has already: brought in, created in bulk, and compared."""
