"""Traefik: annotations of Ingresses."""
