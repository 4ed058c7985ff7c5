"""What a process needs to live: settings, resources, the broker, logs."""
