"""What changed between captures, and how sure that is: pure functions of snapshots.

No files, sockets, clock or printing: the caller passes in whatever comes from outside.
"""
