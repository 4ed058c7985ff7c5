"""Calling addresses that others name, without being led where they must not lead us."""
