"""Doors: what listens where, of which implementation, with which certificates and settings of its own."""
