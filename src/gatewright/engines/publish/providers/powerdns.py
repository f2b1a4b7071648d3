"""PowerDNS Authoritative, by its HTTP API."""

from __future__ import annotations

from gatewright.engines.publish.providers.provider import TEXT_TTL_SECONDS, Alias, Client, Provider, Values
from gatewright.engines.publish.settings import Setting


def _open(label: str, values: Values, patient: bool) -> Client:
    from gatewright.engines.publish.providers.powerdns_client import PowerDnsClient

    return PowerDnsClient(
        label,
        host=values["host"],
        api_key=values["api_key"],
        port=values["port"],
        scheme=values["scheme"],
        server_id=values["server_id"],
        ssl_verify=values.get("ca_file", True),
        notify=values["notify"],
        timeout=values["timeout"],
        enable_dynamic=False,  # else it asks the server for its configuration, which a narrow key may not read
        strict_supports=True,
        root_ns_warnings=False,
    )


def _text(client: Client, domain: str, name: str, value: str, present: bool) -> None:
    """Write the record set again with or without the value: the API knows no smaller change."""
    query = f"rrset_name={name}.&rrset_type=TXT"  # servers before 4.6 answer with all of the zone
    rrsets = client._get(f"zones/{domain}.?{query}").json()["rrsets"]
    old = next((item for item in rrsets if (item["name"], item["type"]) == (f"{name}.", "TXT")), None)
    records = old["records"] if old is not None else []
    same = [item for item in records if item["content"] == f'"{value}"']
    if bool(same) == present:
        return
    kept = [item for item in records if item not in same]
    if present:
        kept.append({"content": f'"{value}"', "disabled": False})
    change = {
        "name": f"{name}.",
        "type": "TXT",
        "ttl": old["ttl"] if old is not None else TEXT_TTL_SECONDS,
        "changetype": "REPLACE" if kept else "DELETE",
        "records": kept,
    }
    client._patch(f"zones/{domain}.", data={"rrsets": [change]})


PROVIDER = Provider(
    name="powerdns",
    aliases=("pdns",),
    alias=Alias.ANYWHERE,
    open=_open,
    text=_text,
    settings=(
        Setting("host", "the name or address of its API", required=True),
        Setting("api_key", "the API key", ("env/POWERDNS_API_KEY",), required=True, secret=True),
        Setting("port", "the port of its API", ("8081",), type=int),
        Setting("scheme", "http or https", ("http",)),
        Setting("ca_file", "a PEM file of the authority that its https certificate comes from"),
        Setting("server_id", "the server's name in the API", ("localhost",)),
        Setting("notify", "tell its secondaries after a change", ("false",), type=bool),
        Setting("timeout", "seconds to wait for an answer", ("15",), type=int),
    ),
)
