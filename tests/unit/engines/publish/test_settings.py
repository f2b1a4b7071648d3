"""Settings of providers: variables, defaults, mistakes, and nothing secret in print."""

import pytest

from gatewright.base.errors import UsageError
from gatewright.engines.publish.failures import LONGEST, PublishError, hidden, told
from gatewright.engines.publish.providers import PROVIDERS
from gatewright.engines.publish.settings import Setting, resolved

KNOWN = (
    Setting("host", "where", required=True),
    Setting("token", "a token", ("env/FIRST", "env/SECOND"), required=True, secret=True),
    Setting("port", "its port", ("53",), type=int),
    Setting("notify", "tell them", ("false",), type=bool),
    Setting("account", "optional"),
)


def test_defaults_variables_and_types():
    found = resolved("p", KNOWN, {"host": "env/HOST", "notify": "True"}, {"HOST": "h", "SECOND": "hush"})
    assert found.values == {"host": "h", "token": "hush", "port": 53, "notify": True}
    assert found.secrets == ("hush",)
    assert repr(found) == "Settings(host, token, port, notify)"


@pytest.mark.parametrize(
    ("written", "environment", "words"),
    [
        ({"hots": "x"}, {}, "p has no setting hots: did you mean host?"),
        ({"host": "env/HOST"}, {"FIRST": "x"}, r"the environment variable HOST is not set \(p: host\)"),
        ({"host": "env/HOST"}, {"FIRST": "x", "HOST": ""}, "the environment variable HOST is not set"),
        ({"host": "x"}, {}, "p needs a token: set .* FIRST or SECOND, or write spec.settings.token: env/NAME"),
        ({}, {"FIRST": "x"}, "p needs where: write spec.settings.host"),
        ({"host": "x", "port": "many"}, {"FIRST": "x"}, "p: port is a number"),
        ({"host": "x", "notify": "maybe"}, {"FIRST": "x"}, "p: notify is true or false"),
    ],
)
def test_mistakes_are_one_line(written, environment, words):
    with pytest.raises(UsageError, match=words) as caught:
        resolved("p", KNOWN, written, environment)
    assert "\n" not in str(caught.value)


def test_names_and_aliases_of_providers_are_unique():
    names = [name for item in PROVIDERS for name in (item.name, *item.aliases)]
    assert len(names) == len(set(names))
    for item in PROVIDERS:
        assert len({setting.name for setting in item.settings}) == len(item.settings)


def test_whatever_is_thrown_is_one_line_without_secrets():
    for error in (KeyError("result"), OSError(111, "Connection refused"), ValueError("a\nb hush c"), Exception("hush")):
        with pytest.raises(PublishError) as caught, told("zone", ["hush", ""]):
            raise error
        assert str(caught.value).startswith("zone: ")
        assert "hush" not in str(caught.value)
        assert "\n" not in str(caught.value)


def test_a_missing_library_passes():
    with pytest.raises(ModuleNotFoundError), told("zone"):
        raise ModuleNotFoundError(name="octodns")


def test_long_answers_are_cut():
    assert len(hidden("x" * 1000, [])) == LONGEST + 1
