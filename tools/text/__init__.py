"""Trains the local text engine's models and measures them. Needs a folder of development sets (`--data`)."""
