"""The monitor: looks at pools and clouds, and writes what it saw. It alone queries them."""
