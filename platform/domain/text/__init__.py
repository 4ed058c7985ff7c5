"""What can be asked about a text: summarize, moderate, classify it, or write one."""
