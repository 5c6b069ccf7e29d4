"""What keeps the versions of an application's rows: the peers, each with the same account."""
