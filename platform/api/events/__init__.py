"""What happens to the jobs of a tenant."""
