"""Rules: what one rule does to a request at one hostname, and which rule wins."""
