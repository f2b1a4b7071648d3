"""What a test needs from the machine: absent things skip the test here and fail it in CI.

The corpus is the exception: it is no part of the project, so its absence is a skip everywhere.
"""

import importlib.util
import os
import shutil
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]


def _absent(reason: str) -> None:
    if os.environ.get("CI") == "true":
        pytest.fail(f"{reason} (CI has to have it)", pytrace=False)
    pytest.skip(reason)


PACKAGES = {
    "pebble": "pebble",
    "pebble-challtestsrv": "pebble",
    "named": "bind9",
    "named-checkconf": "bind9-utils",
    "named-checkzone": "bind9-utils",
    "rndc": "bind9-utils",
    "dig": "bind9-dnsutils",
    "nsupdate": "bind9-dnsutils",
    "knotd": "knot",
    "knotc": "knot",
    "kdig": "knot-dnsutils",
    "knsupdate": "knot-dnsutils",
    "nsd": "nsd",
    "nsd-checkconf": "nsd",
    "nsd-checkzone": "nsd",
    "unbound": "unbound",
    "unbound-checkconf": "unbound",
    "dnsmasq": "dnsmasq-base",
    "pdns_server": "pdns-server",
    "pdnsutil": "pdns-server",
    "dnsperf": "dnsperf",
    "curl": "curl",
    "nginx": "nginx-light",
    "haproxy": "haproxy",
}
"""The Debian package of each program; `scripts/tools test` installs them."""


def found(name: str) -> str | None:
    """The path of a program, on PATH or where Debian keeps servers; None when it is not installed."""
    return shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")


def binary(name: str) -> str:
    """The path of a program that the test cannot do without."""
    path = found(name)
    if path is None:
        where = f" (Debian package {PACKAGES[name]}; make tools installs it)" if name in PACKAGES else ""
        _absent(f"the program {name} is not installed{where}")
    assert path is not None
    return path


def package(name: str) -> None:
    """Needs a Python package of the `run` extra."""
    if importlib.util.find_spec(name) is None:
        _absent(f"the Python package {name} is not installed")


def corpus() -> Path:
    """The folder of real installations named by GATEWRIGHT_CORPUS, or else beside the checkout."""
    folder = Path(os.environ.get("GATEWRIGHT_CORPUS") or REPOSITORY.parent / "shared" / "corpus")
    if not (folder / "INDEX.tsv").is_file():
        pytest.skip("no corpus: set GATEWRIGHT_CORPUS to its folder")
    return folder
