"""Engines carry a Graph into running servers: each has a pure plan and a thin apply side.

Engines know nothing of each other; what they saw comes back as `gatewright.base.observed` values.
"""
