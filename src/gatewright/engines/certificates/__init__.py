"""The engine that makes certificates: `authority` is the private CA for listeners that bring none."""
