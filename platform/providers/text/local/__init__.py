"""The local text engine: what serves without a key. No language model, no network; small models of our own."""
