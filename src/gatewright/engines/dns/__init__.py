"""The DNS engine: an authoritative server with views (see README.md)."""
