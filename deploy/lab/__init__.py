"""A whole site on one machine: a real HTCondor pool, an EC2 API and a hypervisor."""
