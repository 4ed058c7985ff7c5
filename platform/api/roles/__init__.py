"""Permissions, and the roles that bundle them."""
