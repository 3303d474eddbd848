"""The peers, driven by the simulator: what others do with the same jobs, clouds and boot delays.

One file a peer; its settings, and where they come from, head its file. Each gives up the VMs that it would itself (see
`site.give_up`): how we choose, booting ones first, is ours. What waits is packed onto new VMs as our decision packs it,
where a peer packs at all, so that nobody loses by a worse packing.
"""
