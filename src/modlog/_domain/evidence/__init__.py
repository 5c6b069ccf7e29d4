"""What makes a log tamper-evident: leaves, the tree over them, and notes that are signed."""
