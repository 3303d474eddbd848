"""HTCondor: what the host sees of it, and the child processes in which its library runs."""
