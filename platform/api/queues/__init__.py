"""How the queues stand."""
