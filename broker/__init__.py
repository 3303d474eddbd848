"""Mail, terms, fenced rows and hosts over Redis. Knows nothing of VMs."""
