"""The edge of a CDN and its tunnels in a rehearsal: what Cloudflare does by the settings of a zone, and cloudflared."""

from __future__ import annotations

import pytest
from tests.support import rehearsed_edges, worlds

pytestmark = pytest.mark.real

EDGE, SOURCE = rehearsed_edges.EDGE, rehearsed_edges.SOURCE


def test_answers() -> None:
    wanted = {
        "http://app.strict.test/x?y=1": "301 https://app.strict.test/x?y=1",
        "https://app.off.test/x": "301 http://app.off.test/x",
        "https://app.strict.test/": f"200 app.strict.test 443 {SOURCE} {EDGE} https 0",
        "https://bad.strict.test/": "526 ",
        "https://bad.full.test/": f"200 bad.full.test 443 {SOURCE} {EDGE} https 0",
        "https://app.flexible.test/": f"200 app.flexible.test 80 {SOURCE} {EDGE} https 0",
        "http://app.full.test/": f"200 app.full.test 80 {SOURCE} {EDGE} http 0",
        "https://down.full.test/": "521 ",
        "https://lost.full.test/": "522 ",
        "https://deep.app.full.test/": "no handshake",
        "https://app.full.test/upload900": f"200 app.full.test 443 {SOURCE} {EDGE} https 900",
        "https://app.full.test/upload1001": "413 ",
        # Host as the rule has it; the connection to the origin is the connector's own, verified by the rule's name.
        "https://tunnel.full.test/api/x": f"200 inner.test 443 {rehearsed_edges.GOOD} {EDGE} https 0",
        "https://tunnel.full.test/verified": "502 ",
        "https://tunnel.full.test/unverified": f"200 tunnel.full.test 443 {rehearsed_edges.BAD} {EDGE} https 0",
        "https://tunnel.full.test/else": "404 ",
        "https://nobody.full.test/": "530 ",
    }
    found = worlds.run(rehearsed_edges.answers, list(wanted))
    cut = {url: found[url][: len(said)] if said.endswith(" ") else found[url] for url, said in wanted.items()}
    assert cut == wanted


def test_other_protocols_pass() -> None:
    assert worlds.run(rehearsed_edges.websocket) == "HTTP/1.1 101  hello"
