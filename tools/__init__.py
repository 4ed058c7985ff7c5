"""What builds and measures the things we ship; nothing here runs in the platform."""
