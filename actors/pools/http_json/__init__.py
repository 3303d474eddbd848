"""Any service that says in JSON what waits, as a source of demand. It has no startds."""
