"""The handlers of texts: each asks the provider, which is local or Gemini."""
