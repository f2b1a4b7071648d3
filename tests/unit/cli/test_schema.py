"""`gatewright schema`: the whole, one kind, and no such kind."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from gatewright.base.errors import UsageError
from gatewright.cli.schema import command


def test_the_whole() -> None:
    result = CliRunner().invoke(command, [], catch_exceptions=False)
    assert result.exit_code == 0
    assert set(json.loads(result.stdout)["definitions"]) == {
        "Site", "Link", "Firewall", "View", "Zone", "Resolver", "IngressController", "Vantage", "Expectation",
    }  # fmt: skip


def test_one_kind() -> None:
    schema = json.loads(CliRunner().invoke(command, ["vantage"], catch_exceptions=False).stdout)
    assert schema["properties"]["kind"] == {"const": "Vantage"}
    assert "families" in schema["properties"]["spec"]["properties"]


def test_no_such_kind() -> None:
    with pytest.raises(UsageError, match="Planet is no kind of the site map"):
        CliRunner().invoke(command, ["Planet"], catch_exceptions=False)
