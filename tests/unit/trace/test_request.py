import pytest

from gatewright.base.errors import UsageError
from gatewright.trace.request import request


def test_a_url_becomes_a_request() -> None:
    one = request("https://A.example.com:8443/x//y?q=1&r#top", "post", ("X-A: 1", "x-a: 2"))
    assert (one.host, one.port, one.target, one.method, one.sni) == (
        "a.example.com",
        8443,
        "/x//y?q=1&r",
        "POST",
        "a.example.com",
    )
    assert one.values("x-a") == ["1", "2"]
    assert one.header("x-a") == "1,2"
    assert one.header("absent") is None


@pytest.mark.parametrize(
    ("url", "target"),
    [
        ("a.test", "/"),
        ("http://a.test?", "/?"),
        ("http://a.test/a?", "/a?"),
        ("http://a.test?x", "/?x"),
        ("http://a.test/%2F", "/%2F"),
    ],
)
def test_the_target_is_kept_as_written(url: str, target: str) -> None:
    assert request(url).target == target


def test_host_and_sni_may_differ_from_the_url() -> None:
    one = request("https://gateway.test/", headers=("Host: b.test:443",), sni="c.test")
    assert (one.host, one.sni) == ("b.test", "c.test")
    assert request("https://192.0.2.1/").sni == ""
    assert request("http://a.test/").sni == ""


def test_grpc_is_known_by_its_content_type() -> None:
    assert request("http://a.test/", headers=("Content-Type: application/grpc+proto",)).is_grpc
    assert not request("http://a.test/", headers=("Content-Type: application/grpc-web",)).is_grpc


@pytest.mark.parametrize("url", ["gopher://a.test/", "http://", "http://a.test:99999/", "tcp://a.test"])
def test_what_cannot_be_sent_is_said(url: str) -> None:
    with pytest.raises(UsageError):
        request(url)


def test_bad_headers_and_addresses_are_said() -> None:
    with pytest.raises(UsageError, match="Name: value"):
        request("http://a.test/", headers=("no colon",))
    with pytest.raises(UsageError):
        request("http://a.test/", client="nowhere")


def test_several_values_of_one_header_are_one_where_envoy_keeps_one() -> None:
    sent = ("X-Forwarded-Proto: http", "X-Forwarded-Proto: https", "X-Other: a", "X-Other: b")
    asked = request("http://a.test/", headers=sent)
    assert asked.values("x-forwarded-proto") == ["http,https"]
    assert asked.values("x-other") == ["a", "b"]
    assert asked.values("x-forwarded-for") == []


def test_an_ipv6_address_is_a_host_in_brackets() -> None:
    """As the Host header has it (RFC 9110, clause 7.2)."""
    made = request("http://[2001:db8::10]:8080/x")

    assert (made.host, made.port) == ("[2001:db8::10]", 8080)
