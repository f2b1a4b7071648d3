"""Programs that measure Gatewright; `python -m benchmarks --help` lists them.  See README.md for what they found."""
