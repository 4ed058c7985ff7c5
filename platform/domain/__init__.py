"""The rules: what a job, an order, an e-mail is. Pure: no I/O, no clock of its own."""
