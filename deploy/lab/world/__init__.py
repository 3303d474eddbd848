"""A world in one process's memory: a pool with its jobs, and clouds with their VMs. For where there is no HTCondor."""
