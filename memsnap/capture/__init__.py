"""Visits to live Go services: which target, how to reach it, what it answers, one Snapshot out.

What a target's bytes mean is judged by pure functions (`target`, `endpoint`, `routes`, `memstats`,
`gcproof`, `observer`, `command`, `failures`); `fetch` and `dial` speak to it, `process`, `sockets`
and `cgroup` read what the system says of it, and `visit` puts them in order.
"""
