"""Who calls, over HTTP."""
