"""Postgres and a Redis-compatible server from wheels: found, prepared, started and proven ours."""
