"""Changing the categories of the catalogue over HTTP."""
