"""What people and scripts call: the command line."""
