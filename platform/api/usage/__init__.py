"""What was used up at text providers, and how much of it may be."""
