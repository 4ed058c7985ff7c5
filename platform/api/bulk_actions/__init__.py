"""Many jobs retried or cancelled at once."""
