"""The scheduler: how many VMs of each cloud its queue wants, and why. It alone decides that."""
