"""What whoever adds a kind of cloud runs against it, from the installed package: it needs pytest, and no checkout."""
