"""The daemon: finds targets, visits them when they are due, stores what they give, says how it is.

Joins `capture`, `storage` and `config`, which do not know each other.
"""
