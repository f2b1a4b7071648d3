"""Cloudflare, by its API with a token that may edit the zone (Zone:Read, DNS:Edit)."""

from __future__ import annotations

from gatewright.engines.publish.providers.provider import Alias, Client, Provider, Values
from gatewright.engines.publish.settings import Setting

_TRIES = 4
_PAUSE_SECONDS = 60


def _open(label: str, values: Values, patient: bool) -> Client:
    from octodns_cloudflare import CloudflareProvider  # type: ignore[import-untyped]

    more = {"api_url": values["endpoint"]} if "endpoint" in values else {}
    if "account_id" in values:
        more["account_id"] = values["account_id"]
    return CloudflareProvider(
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


PROVIDER = Provider(
    name="cloudflare",
    alias=Alias.APEX,  # elsewhere a CNAME does the same
    proxies=True,
    open=_open,
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
