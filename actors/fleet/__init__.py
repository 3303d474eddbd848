"""Pure: what a VM is, what may happen to it, what was seen, and what follows. No clock, no network, no log."""
