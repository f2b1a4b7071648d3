"""Traefik's kinds, and its rule language."""
