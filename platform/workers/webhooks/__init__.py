"""Handlers of webhooks."""
