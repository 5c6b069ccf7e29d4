"""Sweeps: one decision for many accounts, planned, looked at, approved and carried out."""
