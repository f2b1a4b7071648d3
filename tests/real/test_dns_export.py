"""Exports in the servers that they are for: what BIND, dnsmasq and Unbound answer is what the zones say."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import dns.exception
import dns.message
import dns.query
import dns.rcode
import dns.rdatatype
import pytest

from gatewright.cli.dns.export import written
from gatewright.engines.dns.export import FORMATS, checking, records
from gatewright.engines.dns.export.format import Settings
from gatewright.kinds.identity import Key
from gatewright.kinds.intents.naming import RateLimit, Record, Secondary, TsigKey
from support.exported import DOMAIN, HOME, HOSTILE, NAMES, SETTINGS, one_view, source, truth, two_views
from support.mapped import AT, World, record
from support.needs import binary
from support.ports import free_port
from support.zonehosts import TRIES, running, tsig_secret

pytestmark = pytest.mark.real

TYPES = ("A", "AAAA", "TXT", "MX", "SRV", "CAA")
HOME_CLIENT, PUBLIC_CLIENT = "127.0.0.2", "127.0.0.3"
Got = tuple[str, ...] | None


def asked(port: int, name: str, type_: str, client: str) -> Got:
    """The data that a client gets, () for NODATA, None for NXDOMAIN."""
    query = dns.message.make_query(name, type_)
    answer, _ = dns.query.udp_with_fallback(query, "127.0.0.1", port=port, timeout=60, source=client)
    if answer.rcode() == dns.rcode.NXDOMAIN:
        return None
    assert answer.rcode() == dns.rcode.NOERROR, (name, type_, dns.rcode.to_text(answer.rcode()))
    number = dns.rdatatype.from_text(type_)
    return tuple(sorted(item.to_text() for rrset in answer.answer if rrset.rdtype == number for item in rrset))


def expected(world: World, view: str, name: str, type_: str) -> Got:
    values = truth(world, view, name, type_)
    if values is None:
        return None
    return tuple(sorted(data.to_text() for value in values if (data := records.rdata(type_, value)) is not None))


def ready(port: int) -> Callable[[], bool]:
    def answers() -> bool:
        try:
            answer = dns.query.udp(dns.message.make_query(DOMAIN, "A"), "127.0.0.1", port=port, timeout=1)
        except (OSError, dns.exception.DNSException):
            return False
        return answer.rcode() in (dns.rcode.NOERROR, dns.rcode.REFUSED)

    return answers


@contextlib.contextmanager
def serving(folder: Path, command: Callable[[int], list[str]]) -> Iterator[int]:
    """A server that answers on a port until the block ends."""
    for attempt in range(TRIES):
        port = free_port()
        entered = contextlib.ExitStack()
        try:
            entered.enter_context(running(command(port), folder / "log", ready(port)))
        except RuntimeError as error:
            if attempt == TRIES - 1 or "in use" not in str(error):
                raise
            continue
        with entered:
            yield port
        return


def exported(name: str, world: World, folder: Path, settings: Settings = SETTINGS) -> None:
    """Write the files of a format, all of which its own checker accepts."""
    result = FORMATS[name].write(source(world), settings)
    refused = [item for item in checking.check(name, result.files) if not item.accepted]
    assert refused == []
    written(folder, result)


@contextlib.contextmanager
def named(folder: Path) -> Iterator[int]:
    program = binary("named")

    def command(port: int) -> list[str]:
        (folder / "named.conf").write_text(
            f'options {{ directory "{folder}"; listen-on port {port} {{ 127.0.0.1; }}; listen-on-v6 {{ none; }};\n'
            f'pid-file none; session-keyfile "{folder}/session.key"; dnssec-validation no; notify explicit; }};\n'
            'controls { };\ninclude "named.conf.gatewright";\n'
        )
        return [program, "-g", "-c", str(folder / "named.conf")]

    with serving(folder, command) as port:
        yield port


def compare(world: World, view: str, port: int, client: str, names: tuple[str, ...], types: tuple[str, ...]) -> None:
    got = {(name, type_): asked(port, name, type_, client) for name in names for type_ in types}
    assert got == {(name, type_): expected(world, view, name, type_) for name, type_ in got}


def test_bind_answers_as_the_zones_in_each_view(tmp_path: Path) -> None:
    binary("named-checkconf")
    world = two_views()
    exported("bind", world, tmp_path)
    with named(tmp_path) as port:
        compare(world, "home", port, HOME_CLIENT, NAMES, TYPES)
        compare(world, "public", port, PUBLIC_CLIENT, NAMES, TYPES)


def test_bind_takes_keys_and_secondaries(tmp_path: Path) -> None:
    binary("named-checkconf")
    key = TsigKey("copy.test", "hmac-sha256", Key("Secret", "dns", "copy"), "secret", AT)
    world = two_views(
        keys=(key,), listen=("127.0.0.9",), transfer_to=("127.0.0.0/8",), rate_limit=RateLimit(),
        secondaries=(Secondary("127.0.0.7", AT, 5353, "copy.test"), Secondary("::1", AT)),
    )  # fmt: skip
    exported("bind", world, tmp_path)
    assert 'also-notify { 127.0.0.7 port 5353 key "copy.test"; ::1 port 53; };' in (
        tmp_path / "named.conf.gatewright"
    ).read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["dnsmasq", "pihole"])
@pytest.mark.parametrize("view", ["home", "public"])
def test_dnsmasq_answers_as_the_zones(tmp_path: Path, name: str, view: str) -> None:
    program = binary("dnsmasq")
    world = two_views()
    exported(name, world, tmp_path)

    def command(port: int) -> list[str]:
        return [
            program, "--keep-in-foreground", "--no-resolv", "--no-hosts", "--bind-interfaces", f"--port={port}",
            "--listen-address=127.0.0.1", "--log-facility=-", f"--pid-file={tmp_path}/pid", "--user=",
            f"--conf-file={tmp_path}/{name}/{view}.conf",
        ]  # fmt: skip

    with serving(tmp_path, command) as port:
        compare(world, view, port, HOME_CLIENT, _below_text(NAMES), ("A", "AAAA"))
        compare(world, view, port, HOME_CLIENT, (f"hostile.{DOMAIN}",) * (view == "home"), TYPES)
        compare(world, view, port, HOME_CLIENT, (f"_sip._tcp.{DOMAIN}",) * (view == "home"), ("SRV",))
        compare(world, view, port, HOME_CLIENT, (f"caa.{DOMAIN}",) * (view == "home"), ("CAA",))
        compare(world, view, port, HOME_CLIENT, (DOMAIN,) * (view == "home"), ("MX", "TXT"))


def _below_text(names: tuple[str, ...]) -> tuple[str, ...]:
    """Without names that exist only by other types or by others below them: dnsmasq may deny that those exist."""
    return tuple(name for name in names if not name.startswith(("caa.", "_tcp.", "_sip.", "alias.", "inner.", "apps.")))


def test_unbound_answers_as_the_zones_in_each_view(tmp_path: Path) -> None:
    program = binary("unbound")
    binary("unbound-checkconf")
    world = two_views()
    exported("unbound", world, tmp_path)

    def command(port: int) -> list[str]:
        (tmp_path / "around.conf").write_text(
            f'server:\n  interface: 127.0.0.1@{port}\n  do-daemonize: no\n  chroot: ""\n  username: ""\n'
            f'  directory: "{tmp_path}"\n  pidfile: ""\n  use-syslog: no\n'
            f'  num-threads: 1\ninclude: "{tmp_path}/unbound.conf"\nremote-control:\n  control-enable: no\n'
        )
        return [program, "-d", "-c", str(tmp_path / "around.conf")]

    with serving(tmp_path, command) as port:
        compare(world, "home", port, HOME_CLIENT, NAMES, TYPES)
        compare(world, "public", port, PUBLIC_CLIENT, NAMES, TYPES)


@pytest.mark.parametrize("name", ["bind", "dnsmasq", "unbound", "coredns"])
@pytest.mark.parametrize(
    "held",
    [
        record(f"sub.{DOMAIN}", "NS", f"ns.sub.{DOMAIN}", "ns.elsewhere.test"),
        record(f"*.{DOMAIN}", "NS", "ns.elsewhere.test"),
        record(f"a.{DOMAIN}", "MX", f"10 missing.{DOMAIN}", "0 ."),
        record(f"a.{DOMAIN}", "MX", "10 _a.elsewhere.test"),
        record(f"_a.{DOMAIN}", "A", "10.0.0.1"),
        record(DOMAIN, "NS", "_ns.elsewhere.test"),
        record(f"a.{DOMAIN}", "SRV", f"1 2 3 missing.{DOMAIN}"),
        record(f"a.{DOMAIN}", "HTTPS", "1 . alpn=h2"),
        record(f"a.{DOMAIN}", "NAPTR", '100 10 "u" "x" "!^.*$!sip:a@b!" .'),
        record(f"a.{DOMAIN}", "CAA", '0 issue "x;y=\\"z\\""'),
        record(f"a.{DOMAIN}", "CNAME", "_x.elsewhere.test"),
        record(f"a.{DOMAIN}", "TXT", "", "\x7f\x01\n\r", '"a" "b"', '"open', "#hash", "'", "x" * 254 + "\\" * 10),
        record(f"*.{DOMAIN}", "TXT", "'x'"),
        record(f"*.b.{DOMAIN}", "CNAME", "www.elsewhere.test"),
        record(".".join(["a" * 60] * 3 + ["b" * 50]) + f".{DOMAIN}", "A", "10.0.0.1", ttl=2**31 - 1),
    ],
    ids=lambda held: f"{held.name[:12]}-{held.type}-{held.values[0][:8]!r}",
)
def test_checkers_accept_whatever_can_be_described(tmp_path: Path, name: str, held: Record) -> None:
    for program in ("named-checkconf", "dnsmasq", "unbound-checkconf"):
        binary(program)
    exported(name, one_view(held), tmp_path)


def test_coredns_zone_files_are_accepted(tmp_path: Path) -> None:
    binary("named-checkzone")
    exported("coredns", two_views(), tmp_path)


def test_nsupdate_makes_an_old_zone_what_is_described(tmp_path: Path) -> None:
    nsupdate = binary("nsupdate")
    world = one_view(*HOME, nameservers=(f"ns1.{DOMAIN}",))
    folder = tmp_path / "server"
    folder.mkdir()
    secret = tsig_secret()
    (folder / "key").write_text(f'key "update.test" {{ algorithm hmac-sha256; secret "{secret}"; }};\n')
    (folder / "zone").write_text(
        f"$ORIGIN {DOMAIN}.\n$TTL 60\n@ SOA localhost. hostmaster 1 60 60 60 60\n@ NS localhost.\n"
        'www A 10.9.9.9\nmail A 10.9.9.9\nns1 TXT "of others"\nothers A 10.8.8.8\n'
    )
    (folder / "named.conf.gatewright").write_text(
        f'include "{folder}/key";\n'
        f'zone "{DOMAIN}" {{ type primary; file "zone"; allow-update {{ key update.test; }}; }};\n'
    )
    with named(folder) as port:
        exported("nsupdate", world, tmp_path, Settings(serial=7, server=f"127.0.0.1#{port}"))
        script = tmp_path / "nsupdate" / "public" / f"{DOMAIN}.nsupdate"
        for _ in range(2):  # the same again changes nothing
            done = subprocess.run(
                [nsupdate, "-k", str(folder / "key"), str(script)], capture_output=True, text=True, timeout=60
            )
            assert (done.returncode, done.stderr) == (0, "")
        names = tuple(name for name in NAMES if name != f"ns1.{DOMAIN}")
        compare(world, "public", port, HOME_CLIENT, names, TYPES)
        assert asked(port, f"ns1.{DOMAIN}", "A", HOME_CLIENT) == ("10.0.0.2",)
        assert asked(port, f"ns1.{DOMAIN}", "TXT", HOME_CLIENT) == ('"of others"',)
        assert asked(port, f"others.{DOMAIN}", "A", HOME_CLIENT) == ("10.8.8.8",)


def test_nsupdate_sends_large_zones_in_messages_of_their_own(tmp_path: Path) -> None:
    world = one_view(*(record(f"host{n}.{DOMAIN}", "TXT", HOSTILE) for n in range(1000)))
    exported("nsupdate", world, tmp_path)
    text = (tmp_path / "nsupdate" / "public" / f"{DOMAIN}.nsupdate").read_text(encoding="utf-8")
    assert text.count("\nsend\n") > 2
    assert text.count("update add host") == 1000
