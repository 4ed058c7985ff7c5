"""Schedules: what they submit, when they fire, and what becomes of firings that were missed or overlap."""
