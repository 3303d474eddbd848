"""Pure: how many VMs of which cloud a queue wants, and why."""
