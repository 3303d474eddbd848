"""A real Keystone, Placement and Nova on this machine, for trying out the cloud of kind "openstack"."""
