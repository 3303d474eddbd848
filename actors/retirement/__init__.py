"""Retirement: matches startds to VMs, drains them, and ends them. It alone."""
