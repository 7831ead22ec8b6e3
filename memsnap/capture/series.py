"""Several captures of one target, on a schedule that does not drift."""
