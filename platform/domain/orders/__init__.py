"""What is sold, what is bought, and the store credit it is paid with."""
