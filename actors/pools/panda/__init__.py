"""PanDA as a source of demand: jobs that are activated at a site wait for pilots. It has no startds."""
