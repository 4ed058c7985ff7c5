"""Jobs over HTTP: submit, read, wait, follow, cancel, retry."""
