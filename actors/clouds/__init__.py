"""Where VMs are started, listed and ended: one file a kind of cloud. `port` says what each must do."""
