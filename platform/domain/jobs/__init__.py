"""What a job is, which moves it may make, and how an attempt's outcome is judged."""
