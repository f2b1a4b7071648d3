"""Steps of a rule as HTTP filters, one module for each kind: `filters(step, context) -> list[Filter] | Refused`.

Filters run in their order on requests, in the reverse on answers.  They are complete: nothing of them stands in the
listener.  Counterpart: `composite`, which carries them in a route.
"""
