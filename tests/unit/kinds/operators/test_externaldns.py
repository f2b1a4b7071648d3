"""DNSEndpoint: records as external-dns writes them."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from gatewright.base.origin import Origin
from gatewright.kinds.intents.naming import Record, RecordsIntent
from support.lowering import bad, good, lowered, told

HERE = Origin("manifest.yaml", "1").at("spec", "endpoints", 0)
PROXIED = "external-dns.alpha.kubernetes.io/cloudflare-proxied"
PROXIED_SINCE_0_22 = "external-dns.kubernetes.io/cloudflare-proxied"


def endpoint(**one: Any) -> str:
    spec = {"endpoints": [one]}
    metadata = {"name": "e", "namespace": "n"}
    return yaml.safe_dump(
        {"apiVersion": "externaldns.k8s.io/v1alpha1", "kind": "DNSEndpoint", "metadata": metadata, "spec": spec}
    )


def test_a_record() -> None:
    text = endpoint(
        dnsName="WWW.example.com.", recordType="A", targets=["192.0.2.1", "192.0.2.2"], recordTTL=60, setIdentifier="x"
    )
    assert good(text, RecordsIntent).records == (
        Record("www.example.com", "A", ("192.0.2.1", "192.0.2.2"), HERE, 60, default_proxy=True),
    )


@pytest.mark.parametrize(
    ("kind", "target", "value"),
    [
        ("AAAA", "2001:DB8::1", "2001:db8::1"),
        ("CNAME", "Edge.example.com.", "edge.example.com"),
        ("TXT", "v=spf1 -all", "v=spf1 -all"),
        ("MX", "10 mail.example.com", "10 mail.example.com"),
    ],
)
def test_values(kind: str, target: str, value: str) -> None:
    (record,) = good(endpoint(dnsName="a.b", recordType=kind, targets=[target]), RecordsIntent).records
    assert (record.type, record.values) == (kind, (value,))


@pytest.mark.parametrize("name", [PROXIED, PROXIED_SINCE_0_22])
@pytest.mark.parametrize(("value", "proxied"), [("true", True), ("false", False)])
def test_whether_a_cdn_stands_before_it(name: str, value: str, proxied: bool) -> None:
    specific = [{"name": "aws/weight", "value": "1"}, {"name": name, "value": value}]
    text = endpoint(dnsName="a.b", recordType="A", targets=["192.0.2.1"], providerSpecific=specific)
    (record,) = good(text, RecordsIntent).records
    assert (record.proxied, record.default_proxy) == (proxied, False)


def test_unsubstituted_values_are_left_out() -> None:
    assert good(endpoint(dnsName="a.${D}", recordType="A", targets=["${IP}"]), RecordsIntent).records == ()


@pytest.mark.parametrize(
    ("one", "problem", "where"),
    [
        ({"dnsName": "a.b", "recordType": "A"}, "missing-field", "targets"),
        ({"dnsName": "a.b", "targets": ["x"]}, "missing-field", "recordType"),
        ({"recordType": "A", "targets": ["192.0.2.1"]}, "missing-field", "dnsName"),
        ({"dnsName": "a.b", "recordType": "A", "targets": ["lb.example.com"]}, "unusable-record", "targets.0"),
        ({"dnsName": "a.b", "recordType": "A", "targets": ["2001:db8::1"]}, "unusable-record", "targets.0"),
        ({"dnsName": "a.b", "recordType": "AAAA", "targets": ["192.0.2.1"]}, "unusable-record", "targets.0"),
    ],
)
def test_endpoints_that_are_passed_over(one: dict[str, Any], problem: str, where: str) -> None:
    result = lowered(endpoint(**one))
    assert told(result.problems) == [(problem, f"spec.endpoints.0.{where}")]
    assert isinstance(result.intent, RecordsIntent)
    assert result.intent.records == ()


def test_a_misspelt_field() -> None:
    text = endpoint(dnsName="a.b", recordType="A", target=["192.0.2.1"])
    assert told(bad(text)) == [("unknown-field", "spec.endpoints.0.target")]
