"""Cloudflare, by its API with a token that may edit the zone (Zone:Read, DNS:Edit)."""

from __future__ import annotations

from gatewright.engines.publish.failures import PublishError
from gatewright.engines.publish.providers.provider import TEXT_TTL_SECONDS, Alias, Client, Provider, Values
from gatewright.engines.publish.settings import Setting

_TRIES = 4
_PAUSE_SECONDS = 60


def _open(label: str, values: Values, patient: bool) -> Client:
    from gatewright.engines.publish.providers.cloudflare_client import CloudflareClient

    more = {"api_url": values["endpoint"]} if "endpoint" in values else {}
    if "account_id" in values:
        more["account_id"] = values["account_id"]
    return CloudflareClient(
        label,
        token=values["token"],
        pagerules=False,
        retry_count=_TRIES if patient else 1,
        retry_period=_PAUSE_SECONDS if patient else 1,
        min_ttl=values["min_ttl"],
        timeout=values["timeout"],
        strict_supports=True,
        root_ns_warnings=False,
        **more,
    )


def _text(client: Client, domain: str, name: str, value: str, present: bool) -> None:
    """Add or delete one record, which are things of their own here; two requests, however large the zone."""
    zones = client._try_request("GET", "/zones", params={"name": domain})["result"]
    if not zones:
        raise PublishError(f"{domain} at cloudflare: there is no such zone, or the token does not see it")
    path = f"/zones/{zones[0]['id']}/dns_records"
    found = client._try_request("GET", path, params={"type": "TXT", "name": name})["result"]
    same = [item for item in found if item["content"].strip('"') == value]
    if present and not same:
        data = {"type": "TXT", "name": name, "content": f'"{value}"', "ttl": TEXT_TTL_SECONDS}
        client._try_request("POST", path, data=data)
    elif not present:
        for item in same:
            client._try_request("DELETE", f"{path}/{item['id']}")


PROVIDER = Provider(
    name="cloudflare",
    alias=Alias.APEX,  # elsewhere a CNAME does the same
    proxies=True,
    open=_open,
    text=_text,
    settings=(
        Setting(
            "token", "an API token with Zone:Read and DNS:Edit", ("env/CLOUDFLARE_TOKEN", "env/CLOUDFLARE_API_TOKEN"),
            required=True, secret=True,
        ),
        Setting("account_id", "the account, when the token sees zones of several"),
        Setting("min_ttl", "the shortest TTL that the account's plan allows, in seconds", ("60",), type=int),
        Setting("timeout", "seconds to wait for an answer", ("15",), type=int),
        Setting("endpoint", "the API's URL, for those who reach it through a proxy"),
    ),
)  # fmt: skip
