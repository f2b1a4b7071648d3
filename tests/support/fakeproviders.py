"""As much of the HTTP APIs of Cloudflare and Route 53 as reading and changing the records of one zone takes.

They are stricter than a mock: what is not known is answered with an error as the provider words it.
"""

import contextlib
import itertools
import json
import re
import threading
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit
from xml.sax.saxutils import escape

Answer = tuple[int, str, bytes]


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, answer: Callable[[str, str, dict[str, str], bytes], Answer]) -> None:
        self.answer = answer
        super().__init__(("127.0.0.1", 0), _Handler)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def _respond(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        status, kind, text = self.server.answer(self.command, self.path, dict(self.headers), body)
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = _respond  # noqa: N815

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@contextlib.contextmanager
def serving(answer: Callable[[str, str, dict[str, str], bytes], Answer]) -> Iterator[str]:
    """The URL at which requests (method, path, headers, body) are answered, until the block ends."""
    server = _Server(answer)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class Cloudflare:
    """api.cloudflare.com/client/v4: zones and dns_records.  `refuse`: answer everything with this status."""

    def __init__(self, domain: str, token: str) -> None:
        self.domain = domain
        self.token = token
        self.records: dict[str, dict[str, Any]] = {}
        self.refuse = 0
        self.changes = 0
        self._ids = itertools.count(1)

    def add(self, name: str, type_: str, content: str, **more: Any) -> None:
        """A record that somebody has put there."""
        number = f"{next(self._ids):032x}"
        self.records[number] = {
            "id": number, "zone_id": "z1", "name": name, "type": type_, "content": content, "ttl": 300,
            "proxied": False, "comment": None, "tags": [], **more,
        }  # fmt: skip

    def named(self, name: str, type_: str) -> list[dict[str, Any]]:
        return [item for item in self.records.values() if (item["name"], item["type"]) == (name, type_)]

    def __call__(self, method: str, url: str, headers: dict[str, str], body: bytes) -> Answer:
        parts = urlsplit(url)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        if self.refuse:
            return self._error(self.refuse, 10000, "no")
        if headers.get("Authorization") != f"Bearer {self.token}":
            return self._error(403, 9109, "Invalid access token")
        path = parts.path.removeprefix("/client/v4")
        if path == "/zones" and method == "GET":
            zones = [{"id": "z1", "name": self.domain, "name_servers": []}]
            return self._page([zone for zone in zones if query.get("name", self.domain) == zone["name"]], query)
        if path == "/zones/z1/dns_records" and method == "GET":
            found = [r for r in self.records.values() if all(query.get(k, r[k]) == r[k] for k in ("name", "type"))]
            return self._page(found, query)
        self.changes += 1
        number = path.removeprefix("/zones/z1/dns_records").lstrip("/")
        if method in ("POST", "PUT"):
            return self._written(number, json.loads(body))
        if method == "DELETE" and number in self.records:
            del self.records[number]
            return self._ok({"id": number})
        return self._error(404, 7003, "Could not route")

    def _written(self, number: str, said: dict[str, Any]) -> Answer:
        if said["ttl"] != 1 and said["ttl"] < 60:
            return self._error(400, 9021, "TTL must be between 60 and 86400 seconds, or 1 for Automatic")
        if said.get("proxied") and said["ttl"] != 1:
            return self._error(400, 9999, "TTL of proxied records is automatic")
        content = said["content"].removesuffix(".") if said["type"] in ("CNAME", "MX") else said["content"]
        others = [item for key, item in self.records.items() if item["name"] == said["name"] and key != number]
        beside = {"A", "AAAA", "CNAME"} if said["name"] == self.domain else {said["type"], *(r["type"] for r in others)}
        if any("CNAME" in (said["type"], r["type"]) and {said["type"], r["type"]} <= beside for r in others):
            return self._error(400, 81053, "An A, AAAA, or CNAME record with that host already exists.")
        if number:
            if number not in self.records:
                return self._error(404, 81044, "Record does not exist.")
            self.records[number].update(said, content=content)
        else:
            self.add(
                said["name"], said["type"], content, **{k: said[k] for k in ("ttl", "proxied", "priority") if k in said}
            )
        return self._ok({})

    def _page(self, found: list[dict[str, Any]], query: dict[str, str]) -> Answer:
        size, page = int(query.get("per_page", 100)), int(query.get("page", 1))
        shown = found[(page - 1) * size : page * size]
        return self._ok(shown, {"page": page, "per_page": size, "count": len(shown), "total_count": len(found)})

    def _ok(self, result: object, info: object = None) -> Answer:
        return (
            200,
            "application/json",
            json.dumps({"success": True, "errors": [], "result": result, "result_info": info}).encode(),
        )

    def _error(self, status: int, code: int, message: str) -> Answer:
        said = {"success": False, "errors": [{"code": code, "message": message}], "result": None}
        return status, "application/json", json.dumps(said).encode()


NAMESPACE = "https://route53.amazonaws.com/doc/2013-04-01/"
_CHANGE = re.compile(r"/2013-04-01/hostedzone/Z1/rrset/?$")


class Route53:
    """Route 53's REST API: hosted zones and record sets.  `refuse`: answer everything with this error code.

    `meanwhile` is called once, before the next change is looked at.
    """

    def __init__(self, domain: str) -> None:
        self.domain = domain
        self.sets: dict[tuple[str, str], tuple[int, tuple[str, ...]]] = {}
        self.refuse = ""
        self.meanwhile: Callable[[], None] | None = None

    def __call__(self, method: str, url: str, headers: dict[str, str], body: bytes) -> Answer:
        path = urlsplit(url).path
        if self.refuse:
            return self._error(403, self.refuse, "no")
        if "AWS4-HMAC-SHA256" not in headers.get("Authorization", ""):
            return self._error(403, "MissingAuthenticationToken", "not signed")
        if method == "GET" and path == "/2013-04-01/hostedzone":
            return self._xml(
                f"<ListHostedZonesResponse xmlns='{NAMESPACE}'><HostedZones><HostedZone><Id>/hostedzone/Z1</Id>"
                f"<Name>{self.domain}.</Name><CallerReference>x</CallerReference><Config><PrivateZone>false</PrivateZone>"
                "</Config></HostedZone></HostedZones><Marker></Marker><IsTruncated>false</IsTruncated>"
                "<MaxItems>100</MaxItems></ListHostedZonesResponse>"
            )
        if method == "GET" and path == "/2013-04-01/healthcheck":
            return self._xml(
                f"<ListHealthChecksResponse xmlns='{NAMESPACE}'><HealthChecks></HealthChecks><Marker></Marker>"
                "<IsTruncated>false</IsTruncated><MaxItems>100</MaxItems></ListHealthChecksResponse>"
            )
        if method == "GET" and _CHANGE.match(path):
            return self._xml(self._listed())
        if method == "POST" and _CHANGE.match(path):
            return self._changed(body)
        return self._error(404, "NoSuchHostedZone", f"{method} {path}")

    def _listed(self) -> str:
        sets = "".join(
            f"<ResourceRecordSet><Name>{escape(name.replace('*', chr(92) + '052'))}.</Name><Type>{type_}</Type>"
            f"<TTL>{ttl}</TTL><ResourceRecords>"
            + "".join(f"<ResourceRecord><Value>{escape(value)}</Value></ResourceRecord>" for value in values)
            + "</ResourceRecords></ResourceRecordSet>"
            for (name, type_), (ttl, values) in sorted(self.sets.items())
        )
        return (
            f"<ListResourceRecordSetsResponse xmlns='{NAMESPACE}'><ResourceRecordSets>{sets}</ResourceRecordSets>"
            "<IsTruncated>false</IsTruncated><MaxItems>300</MaxItems></ListResourceRecordSetsResponse>"
        )

    def _changed(self, body: bytes) -> Answer:
        if self.meanwhile is not None:
            meanwhile, self.meanwhile = self.meanwhile, None
            meanwhile()
        tree = ET.fromstring(body)
        space = {"r": NAMESPACE}
        sets = dict(self.sets)
        for change in tree.iterfind(".//r:Change", space):
            action = change.findtext("r:Action", "", space)
            item = change.find("r:ResourceRecordSet", space)
            assert item is not None
            name = item.findtext("r:Name", "", space).replace("\\052", "*").removesuffix(".")
            key = name, item.findtext("r:Type", "", space)
            values = tuple(value.text or "" for value in item.iterfind(".//r:Value", space))
            new = int(item.findtext("r:TTL", "0", space)), values
            if action == "DELETE":
                if sets.get(key) is None or sets[key][0] != new[0] or set(sets[key][1]) != set(values):
                    return self._error(400, "InvalidChangeBatch", f"{key} does not match")
                del sets[key]
            elif action == "CREATE" and key in sets:
                return self._error(400, "InvalidChangeBatch", f"{key} already exists")
            else:
                sets[key] = new
        self.sets = sets
        return self._xml(
            f"<ChangeResourceRecordSetsResponse xmlns='{NAMESPACE}'><ChangeInfo><Id>/change/C1</Id><Status>PENDING"
            "</Status><SubmittedAt>2026-01-01T00:00:00Z</SubmittedAt></ChangeInfo></ChangeResourceRecordSetsResponse>"
        )

    def _xml(self, text: str) -> Answer:
        return 200, "text/xml", f"<?xml version='1.0'?>{text}".encode()

    def _error(self, status: int, code: str, message: str) -> Answer:
        return (
            status,
            "text/xml",
            (
                f"<?xml version='1.0'?><ErrorResponse xmlns='{NAMESPACE}'><Error><Type>Sender</Type><Code>{code}</Code>"
                f"<Message>{escape(message)}</Message></Error><RequestId>r</RequestId></ErrorResponse>"
            ).encode(),
        )
