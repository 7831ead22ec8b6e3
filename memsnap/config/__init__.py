"""The configuration of the daemon: TOML read into frozen settings, every mistake told at once.

Knows no target, database or network: what addresses look like is told by the caller.
"""
