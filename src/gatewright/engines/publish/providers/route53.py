"""Amazon Route 53.  Without settings boto3 finds credentials itself: environment, profile, role of the machine."""

from __future__ import annotations

from gatewright.engines.publish.providers.provider import Client, Provider, Values
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


PROVIDER = Provider(
    name="route53",
    aliases=("aws",),
    open=_open,
    settings=(
        Setting("access_key_id", "the key's id; left out: boto3 finds credentials itself"),
        Setting("secret_access_key", "the key", secret=True),
        Setting("session_token", "of temporary credentials", secret=True),
        Setting("profile", "a profile of the AWS configuration files"),
        Setting("role_arn", "a role to assume"),
        Setting("private", "the private hosted zone of this name instead of the public one", ("false",), type=bool),
    ),
)
