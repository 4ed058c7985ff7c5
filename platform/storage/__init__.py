"""All SQL. Functions take a connection first and return frozen Structs."""
