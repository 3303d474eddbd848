"""What the four actors share: when to look, calls off their threads, mail, metrics, what is told to others."""
