"""What cert-manager says of a certificate beside its names: its private key and how long it lives.

Not a kind: `certmanager` reads these from the fields of a Certificate, `graph.issuing` from the annotations of an
Ingress or a Gateway, where they mean the same.  The limits are those of cert-manager's own validation.
"""

from __future__ import annotations

import re

from gatewright.kinds.intents.issuance import PrivateKey

DEFAULT_DURATION = 90 * 86400.0
"""How long a certificate is to live unless somebody says, in seconds."""
_SHORTEST = 3600.0
_SHORTEST_BEFORE = 300.0
_GO_DURATION = re.compile(r"(?:[0-9]{1,12}(?:\.[0-9]{1,9})?(?:ns|us|µs|ms|s|m|h)){1,8}")
_GO_PART = re.compile(r"([0-9.]+)(ns|us|µs|ms|s|m|h)")
_SECONDS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}

_RSA, _ECDSA, _ED25519 = "RSA", "ECDSA", "Ed25519"
_ALGORITHMS = {name.lower(): name for name in (_RSA, _ECDSA, _ED25519)}
_ENCODINGS = ("PKCS1", "PKCS8")
_CURVES = (256, 384, 521)


class SpecError(ValueError):
    """A value that cert-manager would refuse: the message is for the user, `field` the one that is wrong."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


def go_duration(text: str) -> float | None:
    """Seconds of a Go duration (`2160h`, `720h0m0s`, `1.5h`), None if it is not one; it has no days."""
    if text == "0":
        return 0.0
    if _GO_DURATION.fullmatch(text) is None:
        return None
    return sum(float(number) * _SECONDS[unit] for number, unit in _GO_PART.findall(text))


def private_key(algorithm: str = "", size: int = 0, encoding: str = "", rotation: str = "") -> PrivateKey:
    """The key that is asked for, "" and 0 standing for the default; raises SpecError (fields algorithm, size ...)."""
    name = _ALGORITHMS.get(algorithm.lower() or "rsa")
    if name is None:
        raise SpecError("algorithm", f"expected one of RSA, ECDSA, Ed25519, got {algorithm[:60]!r}")
    if name == _RSA and size and not 2048 <= size <= 8192:
        raise SpecError("size", f"an RSA key has 2048 to 8192 bits, not {size}")
    if name == _ECDSA and size and size not in _CURVES:
        raise SpecError("size", f"an ECDSA key has 256, 384 or 521 bits, not {size}")
    chosen = encoding.upper() or "PKCS1"
    if chosen not in _ENCODINGS:
        raise SpecError("encoding", f"expected one of PKCS1, PKCS8, got {encoding[:60]!r}")
    if rotation not in ("", "Always", "Never"):
        raise SpecError("rotationPolicy", f"expected one of Always, Never, got {rotation[:60]!r}")
    return PrivateKey(name, 0 if name == _ED25519 else size, rotation != "Never", chosen)


def lifetimes(duration: str = "", before: str = "", percentage: int = 0) -> tuple[float, float, int]:
    """`duration` and `renew_before` in seconds and the percentage, 0 for what nobody says; raises SpecError with the
    name of the field: duration, renewBefore or renewBeforePercentage."""
    long, early = _seconds("duration", duration), _seconds("renewBefore", before)
    if long and long < _SHORTEST:
        raise SpecError("duration", f"a certificate lives at least 1h, not {duration}")
    if before and percentage:
        raise SpecError("renewBeforePercentage", "either renewBefore or renewBeforePercentage, not both")
    if before and early < _SHORTEST_BEFORE:
        raise SpecError("renewBefore", f"it is at least 5m, not {before}")
    if early >= (long or DEFAULT_DURATION):
        shorter = duration or "the 2160h that it lives unless said"
        raise SpecError("renewBefore", f"{before} is not shorter than {shorter}")
    if percentage and not 0 < percentage < 100:
        raise SpecError("renewBeforePercentage", f"a percentage is 1 to 99, not {percentage}")
    return long, early, percentage


def _seconds(field: str, text: str) -> float:
    found = go_duration(text) if text else 0.0
    if found is None:
        hint = ", days are written as hours" if re.search(r"[0-9][dwy]", text) else ""
        raise SpecError(field, f"expected a duration such as 2160h or 720h0m0s{hint}, got {text[:60]!r}")
    return found


ANNOTATIONS = (
    "duration",
    "renew-before",
    "renew-before-percentage",
    "private-key-algorithm",
    "private-key-size",
    "private-key-encoding",
    "private-key-rotation-policy",
)
"""The annotations `cert-manager.io/...` that say the same of an Ingress' or a Gateway's certificates."""
_FIELD_ANNOTATIONS = dict(
    zip(
        ("duration", "renewBefore", "renewBeforePercentage", "algorithm", "size", "encoding", "rotationPolicy"),
        ANNOTATIONS,
        strict=True,
    )
)


def annotated(notes: dict[str, str]) -> tuple[PrivateKey, tuple[float, float, int], tuple[SpecError, ...]]:
    """What annotations (without their prefix) say, with the default in place of what is wrong; its `field` is then the
    annotation's name."""
    wrong: list[SpecError] = []
    size, percentage = (_number(name, notes, wrong) for name in ("private-key-size", "renew-before-percentage"))
    key, lives = PrivateKey(), (0.0, 0.0, 0)
    try:
        key = private_key(
            notes.get("private-key-algorithm", ""), size, notes.get("private-key-encoding", ""),
            notes.get("private-key-rotation-policy", ""),
        )  # fmt: skip
    except SpecError as error:
        wrong.append(_by_annotation(error))
    try:
        lives = lifetimes(notes.get("duration", ""), notes.get("renew-before", ""), percentage)
    except SpecError as error:
        wrong.append(_by_annotation(error))
    return key, lives, tuple(wrong)


def _by_annotation(error: SpecError) -> SpecError:
    return SpecError(_FIELD_ANNOTATIONS[error.field], str(error))


def _number(name: str, notes: dict[str, str], wrong: list[SpecError]) -> int:
    text = notes.get(name, "")
    if text and not (text.isascii() and text.isdigit() and len(text) < 6):
        wrong.append(SpecError(name, f"expected a whole number, got {text[:60]!r}"))
        return 0
    return int(text or 0)
