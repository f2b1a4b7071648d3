"""Kinds of Gateway API (gateway.networking.k8s.io)."""
