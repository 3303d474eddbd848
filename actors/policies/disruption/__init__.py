"""Pure: which VMs are given up, drained or taken back, how many at once, and when."""
