"""The `headrace` command: where the layers meet."""
