"""Sweeps inside the database: their targets, the judgement on each, the acting."""
