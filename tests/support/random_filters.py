"""Random filters whose effect a client sees: headers of the answer, CORS, basic authentication.

Counterpart: `random_routes`, whose routes they are added to.  Which values there are, `asked_of_filters` knows, too.
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import replace
from random import Random

from support.random_routes import TRAEFIK, Asked, Manifest, asked, meta

USER, PASSWORD = "ann", "correct horse"
ORIGINS = ("https://a.example.com", "https://b.example.com", "https://*.test", "*", "http://c.test:8080")
FROM = ("https://a.example.com", "https://B.example.com", "https://x.test", "http://c.test:8080", "https://evil.org")
ANSWERED = {"X-Echo-Set-Header": "x-r-one:backend, x-r-two:backend"}
LOGINS = (f"{USER}:{PASSWORD}", f"{USER}:wrong", "nobody:", f"{USER}:{PASSWORD} ")
MIDDLEWARES = ("answer", "share", "login")


def filtered(seed: int, documents: list[Manifest]) -> list[Manifest]:
    """The installation with filters at some of its routes."""
    random = Random(f"filters {seed}")
    for document in documents:
        spec = document.get("spec", {})
        if document["kind"] == "HTTPRoute":
            for rule in spec["rules"]:
                rule["filters"] = [*rule.get("filters", ()), *_filters(random)]
        elif document["kind"] == "IngressRoute":
            for route in spec["routes"]:
                if random.random() < 0.4:
                    chosen = random.sample(MIDDLEWARES, random.randint(1, 2))
                    route["middlewares"] = [*route.get("middlewares", ()), *({"name": name} for name in chosen)]
    return documents + _middlewares(random)


def asked_of_filters(random: Random) -> Asked:
    """A request that has an origin, or says who asks; some of them are preflights."""
    one = asked(random)
    headers = [*one.headers, *ANSWERED.items()]
    if random.random() < 0.6:
        headers.append(("Origin", random.choice(FROM)))
        if random.random() < 0.4:
            headers.append(("Access-Control-Request-Method", "PUT"))
            one = replace(one, method="OPTIONS")
    if random.random() < 0.6:
        encoded = base64.b64encode(random.choice(LOGINS).encode()).decode()
        headers.append(("Authorization", f"{random.choice(['Basic', 'Basic', 'Bearer'])} {encoded}"))
    return replace(one, headers=tuple(headers))


def _filters(random: Random) -> list[Manifest]:
    made: list[Manifest] = []
    if random.random() < 0.4:
        edit = {"set": [{"name": "X-R-One", "value": "set 100%"}], "add": [{"name": "x-r-two", "value": "added"}]}
        edit = random.choice([edit, {"add": edit["add"], "remove": ["x-r-one"]}, {"remove": ["X-R-Two"]}])
        made.append({"type": "ResponseHeaderModifier", "responseHeaderModifier": edit})
    if random.random() < 0.4:
        cors = {"allowOrigins": random.sample(ORIGINS, 2), "allowMethods": ["GET", "PUT"]}
        cors["allowOrigins"] = ["*"] if "*" in cors["allowOrigins"] else cors["allowOrigins"]
        made.append({"type": "CORS", "cors": cors})
    return made


def _middlewares(random: Random) -> list[Manifest]:
    digest = base64.b64encode(hashlib.sha1(PASSWORD.encode(), usedforsecurity=False).digest()).decode()
    users = base64.b64encode(f"{USER}:{{SHA}}{digest}\n".encode()).decode()
    shared = {"accessControlAllowOriginList": list(ORIGINS[:2]), "accessControlAllowMethods": ["GET", "PUT"]}
    specs: dict[str, Manifest] = {
        "answer": {"headers": {"customResponseHeaders": {"X-R-One": "set", "X-R-Two": ""}}},
        "share": {"headers": shared},
        "login": {"basicAuth": {"secret": "users", "removeHeader": random.random() < 0.5}},
    }
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": meta("users"), "data": {"users": users}}
    made = [{"apiVersion": TRAEFIK, "kind": "Middleware", "metadata": meta(n), "spec": s} for n, s in specs.items()]
    return [secret, *made]
