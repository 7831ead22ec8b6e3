"""Visits to live Go services: which target, how to reach it, what it answers, one Snapshot out.

Everything that judges bytes is a pure function; only `dial`, `fetch`, `sockets`, `process` and
`visit` touch the outside.
"""
