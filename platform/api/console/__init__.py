"""The operators' console: one static page over the API that clients use."""
