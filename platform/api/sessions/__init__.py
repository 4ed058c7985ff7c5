"""Registering, logging in and out: what needs no key."""
