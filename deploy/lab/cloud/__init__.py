"""The lab's cloud: EC2's API, its record, its metadata service, and the hypervisor that boots its instances."""
