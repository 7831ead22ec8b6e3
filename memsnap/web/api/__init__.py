"""The HTTP API, version 1: what `memsnap --server` and scripts ask."""
