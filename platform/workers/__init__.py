"""Everything off the request path: the relay, the attempts, the handlers."""
