"""Upstreams: who gets the requests of a rule, how they are spoken to, and in which shares."""
