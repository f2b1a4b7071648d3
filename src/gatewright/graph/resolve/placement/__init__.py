"""Placement: at which doors and hostnames a route answers, and why not elsewhere."""
