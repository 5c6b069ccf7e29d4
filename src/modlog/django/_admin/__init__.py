"""The pages of the admin: accounts, and sweeps."""
