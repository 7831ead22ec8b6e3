"""pprof profiles: the wire format, Go's and C++'s legacy heap texts, heap sampling arithmetic.

Formats know their format and nothing of memsnap: no targets, no diffs.
"""
