"""What the platform calls but does not own, or can swap: a Protocol and its real forms."""
