"""Changing the catalogue over HTTP."""
