"""Kinds of the site map (gatewright.dev/v1alpha1)."""
