"""Handlers of the kinds `orders.*`."""
