"""The domain: events, replay, decisions. Pure: no clock, no randomness, no I/O."""
