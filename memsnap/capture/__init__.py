"""Visits to live Go services: which target, how to reach it, what it answers, one Snapshot out.

What a target's bytes mean is judged by pure functions (`target`, `endpoint`, `routes`, `memstats`,
`gcproof`, `observer`, `command`, `failures`); `process`, `sockets` and `cgroup` read what the
system says of it; `visit` puts the questions in order, as a generator of `exchange`'s
requests.  `hops` says what goes over the wire, and two drivers send it: `blocking` (requests, one
after another, for the command line) and `aio` (aiohttp, many at a time, for the daemon).
"""
