"""The kinds of text, each with a route of its own."""
