"""OpenStack: servers of Nova, through Keystone's catalogue."""
