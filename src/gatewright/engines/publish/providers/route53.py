"""Amazon Route 53.  Without settings boto3 finds credentials itself: environment, profile, role of the machine."""

from __future__ import annotations

from typing import Any

from gatewright.engines.publish.failures import PublishError
from gatewright.engines.publish.providers.provider import TEXT_TTL_SECONDS, Client, Provider, Values
from gatewright.engines.publish.settings import Setting

_TRIES = 10


def _open(label: str, values: Values, patient: bool) -> Client:
    from gatewright.engines.publish.providers.route53_client import Route53Client

    return Route53Client(
        label,
        **{name: values[name] for name in ("access_key_id", "secret_access_key", "session_token") if name in values},
        **{name: values[name] for name in ("profile", "role_arn") if name in values},
        private=values["private"],
        client_max_attempts=_TRIES if patient else None,
        strict_supports=True,
        root_ns_warnings=False,
    )


def _text(client: Client, domain: str, name: str, value: str, present: bool) -> None:
    """Replace the record set as it was found by one with or without the value: refused when it was changed meanwhile,
    and tried again."""
    zone = client._get_zone_id(f"{domain}.")
    if not zone:
        raise PublishError(f"{domain} at route53: there is no such zone, or these credentials do not see it")
    route53 = client._conn
    for tries_left in reversed(range(_TRIES)):
        page = route53.list_resource_record_sets(
            HostedZoneId=zone, StartRecordName=f"{name}.", StartRecordType="TXT", MaxItems="1"
        )
        sets = page["ResourceRecordSets"]
        old = next((item for item in sets if (item["Name"], item["Type"]) == (f"{name}.", "TXT")), None)
        changes = _replaced(old, name, f'"{value}"', present=present)
        if not changes:
            return
        try:
            route53.change_resource_record_sets(HostedZoneId=zone, ChangeBatch={"Changes": changes})
        except route53.exceptions.InvalidChangeBatch:
            if not tries_left:
                raise
        else:
            return


def _replaced(old: dict[str, Any] | None, name: str, text: str, *, present: bool) -> list[dict[str, Any]]:
    """The changes that make a record set one with or without a text; none when it is already."""
    values = [item["Value"] for item in old["ResourceRecords"]] if old is not None else []
    if (text in values) == present:
        return []
    kept = [*values, text] if present else [item for item in values if item != text]
    new = {
        "Name": f"{name}.",
        "Type": "TXT",
        "TTL": old["TTL"] if old is not None else TEXT_TTL_SECONDS,
        "ResourceRecords": [{"Value": item} for item in kept],
    }
    removal = [{"Action": "DELETE", "ResourceRecordSet": old}] if old is not None else []
    return removal + ([{"Action": "CREATE", "ResourceRecordSet": new}] if kept else [])


PROVIDER = Provider(
    name="route53",
    aliases=("aws",),
    open=_open,
    text=_text,
    settings=(
        Setting("access_key_id", "the key's id; left out: boto3 finds credentials itself"),
        Setting("secret_access_key", "the key", secret=True),
        Setting("session_token", "of temporary credentials", secret=True),
        Setting("profile", "a profile of the AWS configuration files"),
        Setting("role_arn", "a role to assume"),
        Setting("private", "the private hosted zone of this name instead of the public one", ("false",), type=bool),
    ),
)
