"""The handlers of chat."""
