"""What is done about what is found in texts, over HTTP."""
