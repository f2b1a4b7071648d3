"""Checks the passwords that Envoy cannot; see README.md."""
