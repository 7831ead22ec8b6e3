"""What was captured, for whoever asks: read from a store, or from a daemon that has one."""
