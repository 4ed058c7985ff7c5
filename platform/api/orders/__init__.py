"""Orders, the catalogue they are made from, and the store credit they are paid with."""
