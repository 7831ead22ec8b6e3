"""Tells people of findings: what to say to whom (pure), in which form (pure), and the sending."""
