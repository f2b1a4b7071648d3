"""The transport's own metrics.  Envoy's are Envoy's: it serves them on its admin socket."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0)


class TransportMetrics:
    """Counters of the xDS server and of the Envoy process, by the short name of the resource type."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.streams = Gauge("gatewright_envoy_streams", "Envoys that are connected", registry=registry)
        self.pushes = Counter("gatewright_envoy_pushes", "Responses sent to Envoys", ["type"], registry=registry)
        self.acks = Counter("gatewright_envoy_acks", "Responses that Envoys accepted", ["type"], registry=registry)
        self.nacks = Counter("gatewright_envoy_nacks", "Responses that Envoys refused", ["type"], registry=registry)
        self.held = Gauge("gatewright_envoy_held_resources", "Refused resources that are held back", registry=registry)
        self.push_seconds = Histogram(
            "gatewright_envoy_push_seconds",
            "From sending a response to Envoy's answer",
            ["type"],
            buckets=BUCKETS,
            registry=registry,
        )
        self.restarts = Counter("gatewright_envoy_restarts", "Envoys started again after they ended", registry=registry)
