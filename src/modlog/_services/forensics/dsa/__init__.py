"""Deletions and suspensions as statements of reasons for the EU's DSA Transparency Database."""
