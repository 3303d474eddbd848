"""What a person or a machine sees of a running host: metrics, health."""
