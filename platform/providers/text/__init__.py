"""Who reads and writes texts for the platform: a Protocol and its forms."""
