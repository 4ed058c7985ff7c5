"""Conversations and the replies in them."""
