"""What happened, who did it, and what it came to."""
