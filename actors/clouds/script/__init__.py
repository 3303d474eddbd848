"""A script of the operator's own as a cloud."""
