"""Pure: how many VMs of which cloud, which of them go first, and why. No clock, no network, no log, no chance."""
