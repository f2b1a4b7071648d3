"""The ways in which challenges are put up: one file for each, and `choose`, which picks one."""
