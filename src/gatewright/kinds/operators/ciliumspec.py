"""Cilium's network policies as they are written: the fields that are known, and what is said of those not judged.

Not a kind.  Counterpart: `ciliumpolicy`, what they mean.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from msgspec import Meta, field

from gatewright.kinds.decode import Ignored, Object, Schema
from gatewright.kinds.labelselector import LabelSelector

Entity = Literal[
    "all", "world", "world-ipv4", "world-ipv6", "cluster", "host", "init", "ingress", "unmanaged", "remote-node",
    "health", "none", "kube-apiserver",
]  # fmt: skip
Selectors = tuple[LabelSelector, ...] | None


class Port(Schema, frozen=True):
    """`port` is text, "0" means every one."""

    port: str
    protocol: Literal["TCP", "UDP", "SCTP", "ICMP", "ICMPv6", "VRRP", "IGMP", "ANY", ""] = "ANY"
    end_port: Annotated[int, Meta(ge=0, le=65535)] = 0


class HeaderMatch(Schema, frozen=True):
    name: str
    value: str = ""
    mismatch: Literal["", "LOG", "ADD", "DELETE", "REPLACE"] = ""
    secret: Ignored = None


class Http(Schema, frozen=True):
    method: str = ""
    path: str = ""
    host: str = ""
    headers: tuple[str, ...] = ()
    header_matches: tuple[HeaderMatch, ...] = ()


class Name(Schema, frozen=True):
    match_name: str = ""
    match_pattern: str = ""


class L7(Schema, frozen=True):
    UNSUPPORTED: ClassVar[Mapping[str, str]] = {
        "kafka": "rules for Kafka are not judged; the port counts as open",
        "l7proto": "rules of other protocols are not judged; the port counts as open",
        "l7": "rules of other protocols are not judged; the port counts as open",
    }
    http: tuple[Http, ...] | None = None
    dns: tuple[Name, ...] | None = None


class DenyPorts(Schema, frozen=True):
    ports: tuple[Port, ...] | None = ()


class Ports(DenyPorts, frozen=True):
    UNSUPPORTED: ClassVar[Mapping[str, str]] = {
        "serverNames": "which server names are let through is not judged; the port counts as open",
        "listener": "the redirection to a listener is not followed; the port counts as open",
        "originatingTLS": "",
        "terminatingTLS": "",
    }
    rules: L7 | None = None


class CidrRule(Schema, frozen=True):
    UNSUPPORTED: ClassVar[Mapping[str, str]] = {
        "cidrGroupRef": "groups of CIDRs are not looked up; it counts as nobody",
        "cidrGroupSelector": "groups of CIDRs are not looked up; it counts as nobody",
    }
    cidr: str = ""
    except_: tuple[str, ...] | None = field(default=(), name="except")


class Authentication(Schema, frozen=True):
    mode: Literal["disabled", "required", "test-always-fail"]


class NamedService(Schema, frozen=True):
    service_name: str = ""
    namespace: str = ""


class ServiceRef(Schema, frozen=True):
    UNSUPPORTED: ClassVar[Mapping[str, str]] = {
        "k8sServiceSelector": "Services are not chosen by label here; it counts as nobody"
    }
    k8s_service: NamedService | None = None


class From(Schema, frozen=True):
    UNSUPPORTED: ClassVar[Mapping[str, str]] = {
        "fromGroups": "groups of a cloud provider are not known here; they count as nobody",
        "fromRequires": "further requirements on peers are not judged",
    }
    from_endpoints: Selectors = None
    from_nodes: Selectors = None
    from_entities: tuple[Entity, ...] | None = None
    from_cidr: tuple[str, ...] | None = field(default=None, name="fromCIDR")
    from_cidr_set: tuple[CidrRule, ...] | None = field(default=None, name="fromCIDRSet")
    icmps: tuple[Ignored, ...] | None = None


class Ingress(From, frozen=True):
    to_ports: tuple[Ports, ...] | None = None
    authentication: Authentication | None = None


class IngressDeny(From, frozen=True):
    to_ports: tuple[DenyPorts, ...] | None = None


class To(Schema, frozen=True):
    UNSUPPORTED: ClassVar[Mapping[str, str]] = {
        "toGroups": "groups of a cloud provider are not known here; they count as nobody",
        "toRequires": "further requirements on peers are not judged",
    }
    to_endpoints: Selectors = None
    to_nodes: Selectors = None
    to_entities: tuple[Entity, ...] | None = None
    to_cidr: tuple[str, ...] | None = field(default=None, name="toCIDR")
    to_cidr_set: tuple[CidrRule, ...] | None = field(default=None, name="toCIDRSet")
    to_services: tuple[ServiceRef, ...] | None = None
    icmps: tuple[Ignored, ...] | None = None


class Egress(To, frozen=True):
    to_fqdns: tuple[Name, ...] | None = field(default=None, name="toFQDNs")
    to_ports: tuple[Ports, ...] | None = None
    authentication: Authentication | None = None


class EgressDeny(To, frozen=True):
    to_ports: tuple[DenyPorts, ...] | None = None


Rule = Ingress | IngressDeny | Egress | EgressDeny


class DefaultDeny(Schema, frozen=True):
    ingress: bool | None = None
    egress: bool | None = None


class Spec(Schema, frozen=True):
    endpoint_selector: LabelSelector | None = None
    node_selector: LabelSelector | None = None
    ingress: tuple[Ingress, ...] | None = None
    ingress_deny: tuple[IngressDeny, ...] | None = None
    egress: tuple[Egress, ...] | None = None
    egress_deny: tuple[EgressDeny, ...] | None = None
    enable_default_deny: DefaultDeny = DefaultDeny()
    description: Ignored = None
    labels: Ignored = None
    log: Ignored = None


class CiliumPolicy(Object, frozen=True):
    spec: Spec | None = None
    specs: tuple[Spec, ...] | None = None
