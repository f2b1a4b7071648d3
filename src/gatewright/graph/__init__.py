"""The graph: every reference resolved, every route attached, every precedence decided once; immutable.

`nodes` are the values, `lookup` finds the VirtualHost and certificate for a name, `resolve` builds the
nodes, `builder` keeps them current incrementally.  Counterparts: `kinds` feeds it, `trace` and the
engines read it and walk the very same order.
"""
