"""Trace: what happens to one request, on paper.  `request` is asked, `walk` answers with `hops` of a `trace`.

Counterpart: `gatewright.engines.envoy`, which walks the same graph in the same order for real; a differential test
holds the two together.
"""
