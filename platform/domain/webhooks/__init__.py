"""What others are told of: endpoints, signatures, deliveries."""
