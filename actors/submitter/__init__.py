"""The submitter: starts VMs, intent first. It alone."""
