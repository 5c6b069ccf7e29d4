"""Reports of incidents, as one file that opens by itself in a browser."""
