"""E-mails, with a route of their own."""
