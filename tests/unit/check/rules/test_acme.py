"""Which solver cert-manager takes for a name, and whom it asks for challenges."""

from __future__ import annotations

import pytest

from gatewright.check.rules import _acme
from gatewright.kinds.identity import Key
from gatewright.kinds.intents.issuance import CertificateIntent, IssuerIntent, Solver
from gatewright.kinds.intents.material import WorkloadIntent
from gatewright.kinds.intents.programs import HelmIntent
from support.mapped import AT, World

CERTIFICATE = CertificateIntent(
    Key("Certificate", "web", "app"), AT, Key("Secret", "web", "app"), ("app.example.com",), labels=(("use", "lan"),)
)


def solver(number: int, type_: str = "dns01", **more: tuple[object, ...]) -> Solver:
    return Solver(type_, AT.at("solvers", number), **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "solvers", "taken"),
    [
        ("app.example.com", (solver(0), solver(1)), 0),
        ("app.example.com", (solver(0), solver(1, zones=("example.com",))), 1),
        ("app.example.com", (solver(0, zones=("com",)), solver(1, zones=("example.com",))), 1),
        ("app.example.com", (solver(0, zones=("example.com",)), solver(1, names=("app.example.com",))), 1),
        ("app.example.com", (solver(0), solver(1, labels=(("use", "lan"),))), 1),
        ("app.example.com", (solver(0, labels=(("use", "wan"),)), solver(1)), 1),
        ("app.example.com", (solver(0, zones=("ample.com",)),), None),
        ("app.example.com", (solver(0, names=("www.example.com",)),), None),
        ("*.example.com", (solver(0, "http01"), solver(1)), 1),
        ("*.example.com", (solver(0, "http01"),), None),
    ],
)
def test_the_most_specific_solver_is_taken(name: str, solvers: tuple[Solver, ...], taken: int | None) -> None:
    issuer = IssuerIntent(Key("ClusterIssuer", "", "letsencrypt"), AT, "acme", solvers=solvers)
    found = _acme.solver_for(issuer, CERTIFICATE, name)
    assert found == (None if taken is None else solvers[taken])


@pytest.mark.parametrize(
    ("args", "asked"),
    [
        (("--v=2",), ()),
        (("--dns01-recursive-nameservers-only",), ()),
        (("--dns01-recursive-nameservers=1.1.1.1:53,9.9.9.9:53",), ("1.1.1.1:53", "9.9.9.9:53")),
        (("--dns01-recursive-nameservers", "1.1.1.1:53"), ("1.1.1.1:53",)),
    ],
)
def test_arguments_name_the_servers_to_ask(args: tuple[str, ...], asked: tuple[str, ...]) -> None:
    key = Key("Deployment", "cert-manager", "cert-manager")
    world = World(WorkloadIntent(key, AT, args=args, images=("quay.io/jetstack/cert-manager-controller:v1.19.0",)))
    assert world.answer(_acme.controller).nameservers == asked


@pytest.mark.parametrize(
    ("values", "asked", "own_dns"),
    [
        ("{}", (), False),
        ('{"dns01RecursiveNameservers": "1.1.1.1:53"}', ("1.1.1.1:53",), False),
        ('{"extraArgs": ["--dns01-recursive-nameservers=9.9.9.9:53"]}', ("9.9.9.9:53",), False),
        ('{"podDnsPolicy": "None"}', (), True),
        ("[]", (), False),
    ],
)
def test_values_of_the_chart_name_the_servers_to_ask(values: str, asked: tuple[str, ...], own_dns: bool) -> None:
    chart = HelmIntent(Key("HelmRelease", "cm", "cm"), AT, "cert-manager", "v1.19.0", "cm", "security", values)
    found = World(chart).answer(_acme.controller)
    assert (found.namespace, found.nameservers, found.own_dns) == ("security", asked, own_dns)


def test_an_authority_of_the_house_is_not_public() -> None:
    def issuer(server: str) -> IssuerIntent:
        return IssuerIntent(Key("ClusterIssuer", "", "ca"), AT, "acme", server)

    world = World()
    assert world.answer(_acme.is_public, issuer("https://acme-v02.api.letsencrypt.org/directory"))
    assert not world.answer(_acme.is_public, issuer("https://ca.home.internal/acme/directory"))
    assert not world.answer(_acme.is_public, issuer("https://[half/directory"))
