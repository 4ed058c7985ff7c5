"""Reviews of products over HTTP."""
