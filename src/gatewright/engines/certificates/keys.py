"""Private keys for certificates, as their description asks for them: made, recognised, written as PEM.

No judge of other people's keys (that is `base.keypair`).  Keys are `Sensitive`; no exception of these functions has
any part of one in its message.
"""

from __future__ import annotations

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from gatewright.base.sensitive import Sensitive
from gatewright.kinds.intents.issuance import PrivateKey

Key = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey

_CURVES: dict[int, type[ec.EllipticCurve]] = {256: ec.SECP256R1, 384: ec.SECP384R1, 521: ec.SECP521R1}
_RSA_BITS, _ECDSA_BITS = 2048, 256
_PKCS8 = b"-----BEGIN PRIVATE KEY-----"


def new(described: PrivateKey) -> Sensitive:
    """A new key, as PEM.  RSA takes 0.1 s (2048 bits) to many seconds (8192), the others no time."""
    key: Key
    if described.algorithm == "Ed25519":
        key = ed25519.Ed25519PrivateKey.generate()
    elif described.algorithm == "ECDSA":
        key = ec.generate_private_key(_CURVES[described.size or _ECDSA_BITS]())
    else:
        key = rsa.generate_private_key(65537, described.size or _RSA_BITS)
    return Sensitive(pem(key, described.encoding))


def pem(key: Key, encoding: str = "PKCS8") -> bytes:
    """The key as PEM, "PKCS1" or "PKCS8"; an Ed25519 key has only the latter (RFC 8410, section 7)."""
    traditional = encoding == "PKCS1" and not isinstance(key, ed25519.Ed25519PrivateKey)
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL if traditional else serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def load(key_pem: Sensitive) -> Key | None:
    """The key of a PEM text; None when it is not one that certificates are made for."""
    try:
        # What we wrote ourselves, or what the server that signs with it checks again.
        key = serialization.load_pem_private_key(key_pem.reveal(), None, unsafe_skip_rsa_key_validation=True)
    except Exception:
        return None
    return key if isinstance(key, Key) else None


def fits(key_pem: Sensitive, described: PrivateKey) -> bool:
    """Is it a key of the algorithm and size that are asked for?"""
    match load(key_pem):
        case rsa.RSAPrivateKey() as key:
            return described.algorithm == "RSA" and key.key_size == (described.size or _RSA_BITS)
        case ec.EllipticCurvePrivateKey() as key:
            return described.algorithm == "ECDSA" and key.curve.key_size == (described.size or _ECDSA_BITS)
        case ed25519.Ed25519PrivateKey():
            return described.algorithm == "Ed25519"
    return False


def encoded(key_pem: Sensitive, described: PrivateKey) -> Sensitive:
    """The same key in the encoding that is asked for."""
    text = key_pem.reveal()
    if text.startswith(_PKCS8) == (described.encoding == "PKCS8" or described.algorithm == "Ed25519"):
        return key_pem
    key = load(key_pem)
    return key_pem if key is None else Sensitive(pem(key, described.encoding))
