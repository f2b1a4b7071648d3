"""Zones at other people's providers: what has to change there, and changing it.  README.md tells how."""
