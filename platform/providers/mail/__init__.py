"""Handing e-mails over: to a mail server by SMTP, and to the inbox of a machine without one."""
