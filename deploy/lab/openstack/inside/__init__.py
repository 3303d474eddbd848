"""What runs in the lab's OpenStack environment, by its own interpreter. Nothing here is imported by the rest."""
