"""Mail over Kombu: mailboxes, what dead consumers held, and what nobody could read."""
