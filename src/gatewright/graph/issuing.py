"""Which certificates are wanted: what the objects and listeners ask of issuers, one Wanted for each target.

Targets are Secrets that somebody is to make (a Certificate of cert-manager, or the annotations of an Ingress or a
Gateway) and, where a door names an issuer of its own, its names without a certificate.  Questions:

- `targets(sight) -> frozenset[Key]`: the Key of every Secret or Gateway that certificates are wanted for
- `wanted(sight, target) -> tuple[Wanted, ...]`: one for a Secret, several (by group of names) for a Gateway
- `issuer(sight, key) -> Issuer | None`: an issuer with its solvers and the Secrets that it needs, or what is wrong
- `problems(sight) -> tuple[Problem, ...]`: certificates that cannot be had as described (no such issuer, no solver ...)

Counterparts: `resolve.certificates`, which judges the certificates that exist; `engines.certificates`, which gets them.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, time

from msgspec import Struct, structs

from gatewright.base import hostnames
from gatewright.base.hostnames import Depth
from gatewright.base.keypair import CertificateFacts, covers, inspect
from gatewright.base.origin import Origin
from gatewright.base.problem import Problem, Severity
from gatewright.base.sensitive import Sensitive
from gatewright.graph import lacking, solving
from gatewright.graph.objects import ANNOTATED_FOR, ISSUER_ANNOTATIONS
from gatewright.graph.resolve.certificates import TOLERABLE
from gatewright.graph.sight import Sight
from gatewright.kinds.decode import has_variable
from gatewright.kinds.identity import Key
from gatewright.kinds.intents.doors import GatewayIntent, RouteIntent
from gatewright.kinds.intents.issuance import CertificateIntent, IssuerIntent, PrivateKey, SecretEntry
from gatewright.kinds.intents.material import SecretIntent
from gatewright.kinds.intents.routing import Protocol
from gatewright.kinds.operators import certificatespec
from gatewright.kinds.syntax import is_hostname, is_ip

CERT_MANAGER = "cert-manager.io"
ISSUERS = ("Issuer", "ClusterIssuer")
USABLE = frozenset({"acme", "ca", "selfSigned"})
"""The types of issuers that certificates are got from."""
UNOBTAINABLE, CONTRADICTED, WILDCARD = "certificate-unobtainable", "certificate-contradicted", "wildcard-by-http01"
"""The ids of its Problems."""


class Wanted(Struct, frozen=True):
    """A certificate that somebody is to make.

    `id` names it for status, files and metrics: "namespace/secret", or "gateway-id name" for a door's own.  `names`:
    hostnames and addresses, the first is the subject's; `issuer` Key of an Issuer or ClusterIssuer; seconds; `labels`
    are the Certificate's, by which solvers are selected.  `duration` 0: the issuer's.  `present`: the manifests hold
    a usable certificate for it until this moment (POSIX seconds, 0 for none), so that it is only to be renewed.
    `common_name` is the subject's where it is said.  `reuse`: the id of another Wanted whose certificate has all of
    these names, so that it needs none of its own.
    """

    id: str
    target: Key
    origin: Origin
    names: tuple[str, ...]
    issuer: Key
    private_key: PrivateKey = PrivateKey()
    duration: float = 0.0
    renew_before: float = 0.0
    renew_percentage: int = 0
    is_ca: bool = False
    labels: tuple[tuple[str, str], ...] = ()
    present: float = 0.0
    reuse: str = ""
    common_name: str = ""


class Issuer(Struct, frozen=True):
    """An issuer ready for use.  `secrets`: the entries that it and its solvers refer to, by (Secret, entry); `fault`
    says in one sentence why it cannot be used."""

    intent: IssuerIntent
    secrets: tuple[tuple[tuple[Key, str], Sensitive], ...] = ()
    fault: str = ""

    def secret(self, key: Key, entry: str) -> Sensitive | None:
        return dict(self.secrets).get((key, entry))


# --- what somebody asks for by name ---------------------------------------------------------------


def targets(sight: Sight) -> frozenset[Key]:
    """A question: what certificates are wanted for."""
    return sight.ask(_secrets) | sight.ask(_doors)


def wanted(sight: Sight, target: Key) -> tuple[Wanted, ...]:
    """A question: what is wanted for a target, () when it is none or cannot be said."""
    if target.kind != "Secret":
        return door_wanted(sight, target)
    found = sight.ask(asked, target)
    if found is None:
        return ()
    return (
        Wanted(
            id=f"{target.namespace}/{target.name}",
            target=target,
            origin=found.origin,
            names=found.names,
            issuer=found.issuer,
            private_key=found.private_key,
            duration=found.lives[0],
            renew_before=found.lives[1],
            renew_percentage=found.lives[2],
            is_ca=found.is_ca,
            labels=found.labels,
            present=_present(sight, target, found.names),
            reuse=_reuse(sight, target, found),
            common_name=found.common_name,
        ),
    )


def issuer(sight: Sight, key: Key) -> Issuer | None:
    """A question: the issuer with what it needs, None when there is none."""
    intent = sight.get(key, IssuerIntent)
    if intent is None:
        return None
    if intent.type not in USABLE:
        kind = "Venafi" if intent.type == "other" else intent.type.capitalize()
        return Issuer(
            intent, fault=f"{key} is of type {kind}, which Gatewright does not speak to: acme, ca or selfSigned"
        )
    needed = [entry for solver in intent.solvers for _, entry in solver.secrets]
    if intent.acme.account is not None:
        needed.append(intent.acme.account)
    found, fault = [], ""
    binding = intent.acme.external_key
    if binding is not None:
        needed.append(binding)
    if intent.ca is not None:
        needed += [SecretEntry(intent.ca, "tls.crt"), SecretEntry(intent.ca, "tls.key")]
    for entry in dict.fromkeys(needed):
        value = _entry(sight, entry)
        if value is not None:
            found.append(((entry.secret, entry.entry), value))
        elif entry == binding or entry.secret == intent.ca:
            made = " yet" if lacking.is_promised(sight, entry.secret) else ""
            fault = fault or f"{key} needs {entry.secret} with {entry.entry or 'one entry'}, which is not there{made}"
    return Issuer(intent, tuple(found), fault)


def _entry(sight: Sight, entry: SecretEntry) -> Sensitive | None:
    """An entry of a Secret; where no name is said, its only one."""
    secret = sight.get(entry.secret, SecretIntent)
    if secret is None:
        return None
    if not entry.entry:
        return secret.data[0][1] if len(secret.data) == 1 else None
    return next((value for name, value in secret.data if name == entry.entry and value), None)


def problems(sight: Sight) -> tuple[Problem, ...]:
    """A question: why certificates cannot be had as they are described.  An issuer that does not exist is told of by
    its own rule."""
    found = (problem for target in sorted(sight.ask(targets)) for problem in sight.ask(faults, target))
    return tuple(dict.fromkeys(found))


def faults(sight: Sight, target: Key) -> tuple[Problem, ...]:
    """A question: those of one target."""
    found: list[Problem] = []
    if target.kind == "Secret":
        described = sight.ask(asked, target)
        found += described.problems if described is not None else ()
    for one in sight.ask(wanted, target):
        if not one.reuse:
            found += _unprovable(sight, one)
    return tuple(dict.fromkeys(found))


# --- Secrets --------------------------------------------------------------------------------------


class Asked(Struct, frozen=True):
    """What a Certificate, or annotations, ask for; `lives`: duration, renew_before, renew_percentage."""

    origin: Origin
    names: tuple[str, ...]
    issuer: Key
    private_key: PrivateKey = PrivateKey()
    lives: tuple[float, float, int] = (0.0, 0.0, 0)
    is_ca: bool = False
    labels: tuple[tuple[str, str], ...] = ()
    common_name: str = ""
    explicit: bool = False
    problems: tuple[Problem, ...] = ()


def _secrets(sight: Sight) -> frozenset[Key]:
    """A question: the Secrets that somebody is to make."""
    found = (*sight.values("certificates-for"), *sight.values(ANNOTATED_FOR))
    return frozenset(key for key in found if isinstance(key, Key))


def asked(sight: Sight, secret: Key) -> Asked | None:
    """A question: what is asked for a Secret.  A Certificate, the oldest, wins over annotations."""
    certificates = sorted(
        sight.listed("certificates-for", secret, CertificateIntent), key=lambda item: (item.created or "~", item.key)
    )
    annotated = _annotated(sight, secret)
    if not certificates:
        return annotated
    intent = certificates[0]
    said = any(map(has_variable, (*intent.names, intent.common_name)))
    if intent.issuer is None or intent.issuer.kind not in ISSUERS or has_variable(intent.issuer.name) or said:
        return None
    told = [
        _rival(intent, other)
        for other in certificates[1:]
        if (other.names, other.issuer) != (intent.names, intent.issuer)
    ]
    if annotated is not None:
        told += _contradicted(intent, annotated)
    if not intent.names and not intent.is_ca:
        return None
    return Asked(
        intent.origin,
        _subject_first(intent),
        intent.issuer,
        intent.private_key,
        (intent.duration, intent.renew_before, intent.renew_percentage),
        intent.is_ca,
        intent.labels,
        intent.common_name,
        explicit=True,
        problems=tuple(told),
    )


def _subject_first(intent: CertificateIntent) -> tuple[str, ...]:
    common = intent.common_name.lower()
    return (common, *(name for name in intent.names if name != common)) if common in intent.names else intent.names


def _rival(first: CertificateIntent, other: CertificateIntent) -> Problem:
    message = f"{other.key} asks for {other.secret}, as {first.key} does, with other names or another issuer"
    hint = "give each Certificate a secretName of its own"
    return Problem(CONTRADICTED, message, other.origin.at("spec", "secretName"), Severity.WARNING, hint)


def _contradicted(intent: CertificateIntent, annotated: Asked) -> list[Problem]:
    """Annotations that ask for something else than the Certificate of the same Secret gives."""
    missing = [
        name for name in annotated.names if not any(hostnames.covers(own, name, Depth.ONE) for own in intent.names)
    ]
    if missing:
        what, hint = f"has no {missing[0]}", f"add {missing[0]} to the dnsNames of {intent.key}"
    elif annotated.issuer != intent.issuer:
        what, hint = f"has another issuer than {annotated.issuer}", "remove the annotation, or name the same issuer"
    else:
        return []
    message = f"{intent.key} makes {intent.secret}, which annotations ask for too, and {what}: the Certificate holds"
    return [Problem(CONTRADICTED, message, annotated.origin, Severity.WARNING, hint)]


def _annotated(sight: Sight, secret: Key) -> Asked | None:
    """What Ingresses and Gateways ask for by annotation: the first one's issuer and settings, the names of all that
    agree with it (cert-manager's shims)."""
    owners = sight.listed(ANNOTATED_FOR, secret, RouteIntent | GatewayIntent)  # type: ignore[arg-type]
    first: Asked | None = None
    names: dict[str, None] = {}
    told: list[Problem] = []
    for owner in owners:
        found = _of_owner(sight, owner, secret)
        if found is None:
            continue
        if first is None:
            first = found
        elif found.issuer != first.issuer:
            message = f"{owner.key} asks {found.issuer} for {secret}, and {first.issuer} is asked for it elsewhere"
            hint = "name one issuer, or another Secret"
            told.append(Problem(CONTRADICTED, message, found.origin, Severity.WARNING, hint))
            continue
        names |= dict.fromkeys(found.names)
        told += found.problems
    if first is None:
        return None
    return structs.replace(first, names=tuple(names), problems=tuple(told))


def _of_owner(sight: Sight, owner: RouteIntent | GatewayIntent, secret: Key) -> Asked | None:
    notes = dict(owner.annotations)
    key = _named_issuer(sight, owner.key, notes)
    hosts = _listener_hosts(owner, secret) if isinstance(owner, GatewayIntent) else _tls_hosts(owner, secret)
    prefix = f"{CERT_MANAGER}/"
    said = {name.removeprefix(prefix): value.strip() for name, value in notes.items() if name.startswith(prefix)}
    common = said.get("common-name", "").lower()
    more = [common] if "." in common and is_hostname(common) else []
    for name in ("alt-names", "ip-sans"):
        more += [one.strip().lower() for one in said.get(name, "").split(",") if one.strip()]
    names = tuple(dict.fromkeys((*more, *hosts)))
    if key is None or not hosts or has_variable(key.name) or any(map(has_variable, names)):
        return None
    private_key, lives, wrong = certificatespec.annotated(said)
    at = owner.origin.at("metadata", "annotations")
    hint = "correct the annotation; until then Gatewright goes on without it"
    told = tuple(
        Problem("invalid-value", f"{prefix}{one.field}: {one}", at.at(f"{prefix}{one.field}"), Severity.ERROR, hint)
        for one in wrong
    )
    return Asked(owner.origin, names, key, private_key, lives, common_name=said.get("common-name", ""), problems=told)


def _named_issuer(sight: Sight, owner: Key, notes: dict[str, str]) -> Key | None:
    """The issuer that annotations name; for `tls-acme` the only ACME ClusterIssuer, where there is one."""
    if notes.get(f"{CERT_MANAGER}/issuer-group", CERT_MANAGER) != CERT_MANAGER:
        return None
    for name, usual in ISSUER_ANNOTATIONS:
        if notes.get(name):
            kind = notes.get(f"{CERT_MANAGER}/issuer-kind", usual) if usual == "Issuer" else usual
            if kind not in ISSUERS:
                return None
            return Key(kind, "" if kind == "ClusterIssuer" else owner.namespace, notes[name])
    return sight.ask(_usual_issuer)


def _usual_issuer(sight: Sight) -> Key | None:
    """A question: the only ACME ClusterIssuer."""
    found = [item.key for item in sight.all("ClusterIssuer", IssuerIntent) if item.type == "acme"]
    return found[0] if len(found) == 1 else None


def _tls_hosts(route: RouteIntent, secret: Key) -> tuple[str, ...]:
    return tuple(host for use in route.tls if use.secret == secret for host in use.hosts)


def _listener_hosts(gateway: GatewayIntent, secret: Key) -> tuple[str, ...]:
    """The hostnames of the listeners that end TLS with a Secret of the Gateway's own namespace."""
    if secret.namespace != gateway.key.namespace:
        return ()
    return tuple(
        item.hostname
        for item in gateway.listeners
        if item.hostname != hostnames.ANY and item.tls is not None and not item.tls.passthrough
        and item.protocol in (Protocol.HTTPS, Protocol.TLS) and secret in item.tls.certificates
    )  # fmt: skip


def _present(sight: Sight, secret: Key, names: tuple[str, ...]) -> float:
    """The end of the certificate that the Secret has, when it is usable for all of these names."""
    found = sight.certificate(secret)
    facts = found.facts if found is not None else sight.ask(_facts, secret)
    if facts is None or facts.not_after is None or not all(covers(facts, name) for name in names):
        return 0.0
    return facts.not_after.timestamp()


def _facts(sight: Sight, secret: Key) -> CertificateFacts | None:
    """A question: what a Secret has that no gateway uses (yet); None when it is of no use."""
    intent = sight.get(secret, SecretIntent)
    if intent is None:
        return None
    midnight = datetime.combine(sight.today(), time(), UTC)
    facts = inspect(intent.get("tls.crt") or b"", intent.get("tls.key") or b"", midnight)
    return facts if TOLERABLE.issuperset(facts.faults) else None


def _reuse(sight: Sight, secret: Key, found: Asked) -> str:
    """The id of a Certificate's whose names include all of these, by the same issuer: one for a wildcard, say.

    Only within the namespace: who may have a certificate for one name gets no key for the names of others.
    """
    if found.explicit or not found.names or found.private_key not in (PrivateKey(), PrivateKey(rotate=False)):
        return ""
    first = found.names[0]
    above = f"*.{first.partition('.')[2]}"
    for name in dict.fromkeys((above, first)):
        for candidate in sight.listed("certificates-naming", name, CertificateIntent):
            other = sight.ask(asked, candidate.secret)
            if (
                candidate.secret != secret and candidate.secret.namespace == secret.namespace
                and other is not None and other.explicit and other.issuer == found.issuer
                and all(any(hostnames.covers(own, one, Depth.ONE) for own in other.names) for one in found.names)
            ):  # fmt: skip
                return f"{candidate.secret.namespace}/{candidate.secret.name}"
    return ""


# --- doors ----------------------------------------------------------------------------------------


def _doors(sight: Sight) -> frozenset[Key]:
    """A question: the gateways that name an issuer of their own."""
    found = (sight.gateway(gateway_id) for gateway_id in sight.gateways())
    return frozenset(gateway.key for gateway in found if gateway is not None and gateway.settings.issuer is not None)


def door_wanted(sight: Sight, target: Key) -> tuple[Wanted, ...]:
    """What a door wants for its names that nobody else brings a certificate for, by group of names."""
    gateway_id = f"{target.namespace}/{target.name}"
    door = sight.ask(lacking.door, gateway_id)
    if door is None:
        return ()
    key, origin = door
    return tuple(
        Wanted(f"{gateway_id} {names[0]}", target, origin, names, key, PrivateKey("ECDSA", encoding="PKCS8"))
        for names in lacking.groups(sight, gateway_id, key)
    )


# --- what cannot be had ---------------------------------------------------------------------------


def _unprovable(sight: Sight, one: Wanted) -> Iterator[Problem]:
    """Names of which the issuer cannot be shown control, or that it makes no certificates for."""
    intent = sight.get(one.issuer, IssuerIntent)
    if intent is None:
        return
    if intent.type not in USABLE:
        message = f"{one.issuer} is of a type that Gatewright does not speak to, so {one.id} is not made"
        yield Problem(UNOBTAINABLE, message, one.origin, Severity.INFO, "use an issuer of type acme, ca or selfSigned")
    if intent.type != "acme":
        return
    if one.is_ca:
        message = f"{one.id} is to be a CA (isCA), and {one.issuer} is asked over ACME, which makes none"
        yield Problem(UNOBTAINABLE, message, one.origin, Severity.ERROR, "use an issuer of type ca or selfSigned")
    public = solving.is_public(intent)
    for name in one.names:
        reason = solving.not_public(name) if public else ""
        if reason:
            message = f"no public authority makes a certificate for {name}, which {one.issuer} is asked for: {reason}"
            hint = "use an issuer of type ca for it, or a name of a domain of yours"
            yield Problem(UNOBTAINABLE, message, one.origin, Severity.ERROR, hint)
        elif not is_ip(name) and solving.solver_for(intent, one.labels, name) is None:
            yield _unsolved(one, intent, name)


def _unsolved(one: Wanted, intent: IssuerIntent, name: str) -> Problem:
    if hostnames.is_wildcard(name) and any(solver.type == "http01" for solver in intent.solvers):
        message = f"{one.issuer} has no DNS-01 solver for {name}, and HTTP-01 proves no wildcards"
        return Problem(WILDCARD, message, one.origin, Severity.ERROR, "add a dns01 solver, or list the names")
    message = f"{one.issuer} has no solver for {name}"
    hint = "add one, or widen the selector of one that is there (dnsZones, dnsNames, matchLabels)"
    return Problem(UNOBTAINABLE, message, one.origin, Severity.ERROR, hint)
