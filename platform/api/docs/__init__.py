"""The API's documentation, served without anything from outside."""
