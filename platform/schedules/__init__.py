"""Celery beat over the schedules table."""
