"""Secret and ConfigMap: values are decoded strictly and never shown."""

from __future__ import annotations

import base64
from typing import Any

import pytest
import yaml

from gatewright.kinds.identity import Key
from gatewright.kinds.intents.material import SecretIntent
from support.lowering import bad, good, lowered, told

HIDDEN = "hunter2-is-the-password"


def secret(kind: str = "Secret", **body: Any) -> str:
    return yaml.safe_dump({"apiVersion": "v1", "kind": kind, "metadata": {"name": "s", "namespace": "n"}, **body})


def b64(value: str) -> str:
    return base64.b64encode(value.encode()).decode()


def test_data_and_string_data() -> None:
    made = good(
        secret(type="kubernetes.io/tls", data={"a": b64("1"), "b": b64("2")}, stringData={"b": "3"}, immutable=True),
        SecretIntent,
    )
    assert (made.key, made.type) == (Key("Secret", "n", "s"), "kubernetes.io/tls")
    assert (made.get("a"), made.get("b"), made.get("c")) == (b"1", b"3", None)


def test_a_config_map() -> None:
    made = good(secret("ConfigMap", data={"ca.crt": "x"}, binaryData={"b": b64("y")}), SecretIntent)
    assert (made.key.kind, made.get("ca.crt"), made.get("b")) == ("ConfigMap", b"x", b"y")


def test_base64_may_be_wrapped() -> None:
    assert good(secret(data={"a": "aGVs\nbG8=\n"}), SecretIntent).get("a") == b"hello"


@pytest.mark.parametrize(
    "body",
    [
        {"data": {"key": HIDDEN}},
        {"data": {"key": "!" + b64(HIDDEN)}},
        {"data": [HIDDEN]},
        {"data": HIDDEN},
        {"stringData": {"key": [HIDDEN]}},
        {"stringData": HIDDEN},
        {"data": {"key": {"deeper": HIDDEN}}},
    ],
)
def test_bad_values_are_named_but_never_shown(body: dict[str, Any]) -> None:
    problems = bad(secret(**body))
    assert len(problems) == 1
    assert HIDDEN not in repr(problems)
    assert b64(HIDDEN) not in repr(problems)


def test_a_value_is_never_shown_by_its_intent() -> None:
    assert HIDDEN not in repr(good(secret(stringData={"key": HIDDEN}), SecretIntent))


def test_numbers_have_to_be_quoted() -> None:
    assert told(bad(secret(stringData={"a": 1}))) == [("invalid-value", "stringData.a")]


def test_what_sops_encrypted_counts_as_absent() -> None:
    made = good(
        secret(data={"a": "ENC[AES256_GCM,data:x]"}, stringData={"b": "ENC[x]"}, sops={"mac": "x"}), SecretIntent
    )
    assert made.data == ()


def test_an_unsubstituted_value_is_left_out_and_told() -> None:
    result = lowered(secret(data={"a": "${CERT}", "b": b64("x")}))
    assert told(result.problems) == [("unresolved-variable", "data.a")]
    assert isinstance(result.intent, SecretIntent)
    assert result.intent.get("b") == b"x"
