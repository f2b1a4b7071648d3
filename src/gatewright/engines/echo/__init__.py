"""The engine that answers for Services which have no endpoints: every request is described back to its sender."""
