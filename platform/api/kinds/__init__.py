"""What kinds of jobs there are."""
