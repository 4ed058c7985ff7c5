"""What happened in the business, over HTTP."""
