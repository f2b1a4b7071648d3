"""What an echo backend stands in for: one port of one Service, at one loopback address."""

from __future__ import annotations

import enum

from msgspec import Struct


class Transport(enum.StrEnum):
    """What the Service port is reached with."""

    TCP = "tcp"
    UDP = "udp"


class EchoService(Struct, frozen=True, order=True):
    """The identity that an echo backend answers with.  `pod_name`: of the pod that it is, "" where it is none."""

    namespace: str
    name: str
    port: int
    transport: Transport = Transport.TCP
    pod_name: str = ""

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}:{self.port}/{self.transport}"

    @property
    def pod(self) -> str:
        """The name of the pod that it is, or that there would be."""
        return self.pod_name or f"{self.name}-echo"


class Address(Struct, frozen=True):
    """Where an echo backend listens."""

    host: str
    port: int
