"""Where work waits and workers report: one file a kind of pool. `port` says what each must do."""
