"""What an operator deploys: the lab on one machine, units, policies."""
