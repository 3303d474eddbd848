"""Example configurations, each with its keys explained: `apf files DIR` writes them out."""
