"""Mail, terms, fenced rows and hosts over Redis. Knows nothing of VMs."""

from broker.quick_start import skip_asyncio, skip_rich_tracebacks

skip_asyncio()
skip_rich_tracebacks()
