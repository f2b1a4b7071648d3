"""What ACME keeps on disk, and what it makes of what it finds there."""

import base64
import errno
import os
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from gatewright.base.errors import EngineError
from gatewright.engines.certificates import keeping
from gatewright.engines.certificates.accounts import Account
from gatewright.engines.certificates.obtaining import IssueError
from gatewright.kinds.identity import Key
from gatewright.kinds.intents.issuance import AcmeSettings, SecretEntry
from support import keys
from support.acme_issuing import issuer

SERVER = "https://ca.test/dir"
ACCOUNT = SecretEntry(Key("Secret", "cert-manager", "account"), "tls.key")


def test_an_account_key_is_made_once(tmp_path: Path) -> None:
    first, second = Account(tmp_path, SERVER, issuer()), Account(tmp_path, SERVER, issuer())
    assert first.key == second.key
    assert first.id == second.id
    [file] = tmp_path.iterdir()
    assert file.stat().st_mode & 0o777 == 0o600
    other = Account(tmp_path, "https://other.test/dir", issuer())
    assert other.key != first.key
    assert other.id != first.id


@pytest.mark.parametrize("made", [rsa.generate_private_key(65537, 2048), ec.generate_private_key(ec.SECP384R1())])
def test_the_key_of_the_manifests(tmp_path: Path, made: keys.PrivateKey) -> None:
    held = issuer(acme=AcmeSettings(account=ACCOUNT), secrets={(ACCOUNT.secret, ACCOUNT.entry): keys.key_pem(made)})
    account = Account(tmp_path, SERVER, held)
    assert account.key.key.private_numbers() == made.private_numbers()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "data", [b"", b"no key", keys.key_pem(ed25519.Ed25519PrivateKey.generate())], ids=["empty", "text", "ed25519"]
)
def test_a_secret_without_a_usable_key(tmp_path: Path, data: bytes) -> None:
    held = issuer(acme=AcmeSettings(account=ACCOUNT), secrets={(ACCOUNT.secret, ACCOUNT.entry): data})
    if not data:
        # cert-manager makes the Secret itself; so an empty one is none.
        assert Account(tmp_path, SERVER, held).key
        return
    with pytest.raises(IssueError, match=r"Secret cert-manager/account, entry tls\.key") as refused:
        Account(tmp_path, SERVER, held)
    assert refused.value.permanent
    assert base64.b64encode(data).decode()[:16] not in str(refused.value)


def test_a_damaged_key_is_left_alone(tmp_path: Path) -> None:
    account = Account(tmp_path, SERVER, issuer())
    file = tmp_path / f"{account.id}.pem"
    file.write_bytes(b"damaged")
    with pytest.raises(EngineError, match="remove it to have a new account"):
        Account(tmp_path, SERVER, issuer())
    assert file.read_bytes() == b"damaged"


def test_disk_full_leaves_the_file_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "state" / "order.json"
    keeping.write_object(file, {"url": "one"})

    def full(_handle: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(EngineError, match=r"cannot write .*order\.json: No space left on device"):
        keeping.write_object(file, {"url": "two"})
    assert keeping.read_object(file) == {"url": "one"}
    assert [one.name for one in file.parent.iterdir()] == ["order.json"]


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"\xff", b"7"])
def test_damaged_objects_are_empty(tmp_path: Path, data: bytes) -> None:
    file = tmp_path / "order.json"
    file.write_bytes(data)
    assert keeping.read_object(file) == {}
    keeping.remove(file)
    keeping.remove(file)
    assert keeping.read_object(file) == {}


def test_who_comes_second_keeps_the_first(tmp_path: Path) -> None:
    file = tmp_path / "key.pem"
    assert keeping.write_new(file, b"first")
    assert not keeping.write_new(file, b"second")
    assert keeping.read(file) == b"first"
    assert list(tmp_path.iterdir()) == [file]
