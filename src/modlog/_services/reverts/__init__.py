"""Taking changes back: plans that show what would come of it, and their application."""
