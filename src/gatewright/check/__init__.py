"""Check: the faults of the whole, with file and line.  Rules are in `rules/`, one file each; `run` applies them."""
