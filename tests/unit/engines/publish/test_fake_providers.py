"""Cloudflare and Route 53 as far as small fakes of their APIs go: flags, TTLs, errors, what others have there."""

import pytest

from gatewright.base.errors import UsageError
from gatewright.base.origin import Origin
from gatewright.engines.publish.challenges import ZoneRecords
from gatewright.engines.publish.content import Action, PublicZone
from gatewright.engines.publish.failures import PublishError
from gatewright.engines.publish.planning import Publication
from gatewright.kinds.intents.naming import Record
from support import fakeproviders
from support.needs import package

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

DOMAIN = "example.com"
TOKEN = "a-token-that-nobody-may-see"
HERE = Origin("zones.yaml", 0)


def record(name: str, type_: str, *values: str, ttl: int = 300, proxied: bool = False) -> Record:
    return Record(f"{name}.{DOMAIN}" if name else DOMAIN, type_, values, HERE, ttl, proxied)


def publication(provider, records, settings, adopt=()):
    return Publication(PublicZone(f"{DOMAIN}/public", DOMAIN, provider, settings, "gatewright", tuple(records)), adopt)


@pytest.fixture
def cloudflare(monkeypatch):
    package("octodns_cloudflare")
    monkeypatch.setenv("CLOUDFLARE_TOKEN", TOKEN)
    fake = fakeproviders.Cloudflare(DOMAIN, TOKEN)
    with fakeproviders.serving(fake) as url:
        fake.settings = {"endpoint": f"{url}/client/v4", "timeout": "10"}
        yield fake


@pytest.fixture
def route53(monkeypatch):
    package("octodns_route53")
    fake = fakeproviders.Route53(DOMAIN)
    with fakeproviders.serving(fake) as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL", url)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", TOKEN)
        monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
        yield fake


class TestCloudflare:
    WANTED = (
        record("", "ALIAS", f"www.{DOMAIN}", proxied=True),
        record("www", "A", "203.0.113.1", "203.0.113.2", proxied=True),
        record("plain", "A", "203.0.113.3", ttl=120),
        record("*", "CNAME", f"www.{DOMAIN}"),
        record("", "TXT", 'v=spf1; "x" -all'),
        record("", "MX", "10 mail.example.net."),
    )

    def test_publishes_with_flags_and_once(self, cloudflare):
        found = publication("cloudflare", self.WANTED, cloudflare.settings)
        assert found.plan.refused == ()
        found.apply()
        assert [(r["type"], r["ttl"], r["proxied"]) for r in cloudflare.named(DOMAIN, "CNAME")] == [("CNAME", 1, True)]
        assert {r["content"]: (r["ttl"], r["proxied"]) for r in cloudflare.named(f"www.{DOMAIN}", "A")} == {
            "203.0.113.1": (1, True), "203.0.113.2": (1, True),
        }  # fmt: skip
        assert [(r["ttl"], r["proxied"]) for r in cloudflare.named(f"plain.{DOMAIN}", "A")] == [(120, False)]
        assert publication("cloudflare", self.WANTED, cloudflare.settings).plan.changes == ()

    def test_the_proxied_flag_is_a_change(self, cloudflare):
        publication("cloudflare", self.WANTED, cloudflare.settings).apply()
        plain = [record("www", "A", "203.0.113.1", "203.0.113.2", ttl=300), *self.WANTED[2:]]
        plan = publication("cloudflare", plain, cloudflare.settings)
        updates = [change for change in plan.plan.changes if change.action is Action.UPDATE]
        assert [(c.name, c.old.proxied, c.new.proxied, c.old.ttl, c.new.ttl) for c in updates] == [
            (f"www.{DOMAIN}", True, False, 0, 300)
        ]
        plan.apply()
        assert {(r["ttl"], r["proxied"]) for r in cloudflare.named(f"www.{DOMAIN}", "A")} == {(300, False)}
        assert cloudflare.named(DOMAIN, "CNAME") == []

    def test_records_of_others_and_their_remarks_stay(self, cloudflare):
        cloudflare.add(f"theirs.{DOMAIN}", "A", "192.0.2.7", ttl=1)
        cloudflare.add(f"other.{DOMAIN}", "TXT", '"v=1"')
        wanted = [record("theirs", "A", "203.0.113.1"), record("www", "A", "203.0.113.1")]
        plan = publication("cloudflare", wanted, cloudflare.settings)
        assert [left.wanted.name for left in plan.plan.left] == [f"theirs.{DOMAIN}"]
        plan.apply()
        cloudflare.named(f"www.{DOMAIN}", "A")[0]["comment"] = "by hand"
        assert publication("cloudflare", wanted, cloudflare.settings).plan.changes == ()
        publication("cloudflare", [], cloudflare.settings).apply()
        assert sorted(item["name"] for item in cloudflare.records.values()) == [f"other.{DOMAIN}", f"theirs.{DOMAIN}"]

    def test_an_empty_zone_exists_and_another_one_does_not(self, cloudflare):
        publication("cloudflare", [record("www", "A", "203.0.113.1")], cloudflare.settings).apply()
        zone = PublicZone("x/public", "not-there.test", "cloudflare", cloudflare.settings, "gatewright",
                          (Record("www.not-there.test", "A", ("203.0.113.1",), HERE, 300),))  # fmt: skip
        with pytest.raises(PublishError, match="there is no such zone"):
            Publication(zone)

    @pytest.mark.parametrize(
        ("status", "words"), [(403, "token is not accepted"), (429, "too many requests"), (500, "HTTP 500")]
    )
    def test_refusals_are_one_line_without_the_token(self, cloudflare, status, words):
        cloudflare.refuse = status
        with pytest.raises(PublishError, match=words) as caught:
            publication("cloudflare", self.WANTED, cloudflare.settings)
        assert "\n" not in str(caught.value)
        assert TOKEN not in str(caught.value)

    def test_the_other_variable_and_none(self, cloudflare, monkeypatch):
        monkeypatch.delenv("CLOUDFLARE_TOKEN")
        monkeypatch.setenv("CLOUDFLARE_API_TOKEN", TOKEN)
        publication("cloudflare", self.WANTED, cloudflare.settings)
        monkeypatch.delenv("CLOUDFLARE_API_TOKEN")
        with pytest.raises(UsageError, match="CLOUDFLARE_TOKEN or CLOUDFLARE_API_TOKEN"):
            publication("cloudflare", self.WANTED, cloudflare.settings)

    def test_challenges_come_and_go_one_by_one(self, cloudflare):
        zone = ZoneRecords("cloudflare", cloudflare.settings, DOMAIN)
        name = f"_acme-challenge.{DOMAIN}"
        cloudflare.add(name, "TXT", '"somebody-elses"')
        for value in ("one", "two", "two"):
            zone.add(name, value)
        assert sorted(r["content"] for r in cloudflare.named(name, "TXT")) == ['"one"', '"somebody-elses"', '"two"']
        zone.remove(name, "one")
        zone.remove(name, "one")
        assert sorted(r["content"] for r in cloudflare.named(name, "TXT")) == ['"somebody-elses"', '"two"']


class TestRoute53:
    WANTED = (
        record("", "A", "203.0.113.1"),
        record("www", "A", "203.0.113.1", "203.0.113.2", ttl=60),
        record("*", "CNAME", f"www.{DOMAIN}"),
        record("", "TXT", 'v=spf1; "x" -all', "k" * 300),
        record("", "MX", "10 mail.example.net."),
    )

    def test_publishes_changes_and_removes(self, route53):
        route53.sets[f"theirs.{DOMAIN}", "A"] = (300, ("192.0.2.7",))
        found = publication("route53", self.WANTED, {})
        assert found.plan.refused == ()
        found.apply()
        assert route53.sets[f"www.{DOMAIN}", "A"] == (60, ("203.0.113.1", "203.0.113.2"))
        assert route53.sets[f"*.{DOMAIN}", "CNAME"] == (300, (f"www.{DOMAIN}.",))
        assert publication("route53", self.WANTED, {}).plan.changes == ()
        publication("route53", [record("www", "A", "203.0.113.9")], {}).apply()
        assert {key for key in route53.sets if "_owner" not in key[0]} == {
            (f"theirs.{DOMAIN}", "A"), (f"www.{DOMAIN}", "A"),
        }  # fmt: skip

    def test_an_alias_is_refused_and_the_rest_is_published(self, route53):
        plan = publication(
            "route53", [record("", "ALIAS", "x.example.net"), record("www", "A", "203.0.113.1")], {}
        ).plan
        assert [(item.name, item.type) for item in plan.refused] == [(DOMAIN, "ALIAS")]
        assert [change.name for change in plan.changes if not change.mark] == [f"www.{DOMAIN}"]

    @pytest.mark.parametrize(
        ("code", "words"), [("InvalidClientTokenId", "not accepted"), ("AccessDenied", "may not"), ("Odd", "Odd: no")]
    )
    def test_refusals_are_one_line(self, route53, code, words):
        route53.refuse = code
        with pytest.raises(PublishError, match=words) as caught:
            publication("route53", self.WANTED, {})
        assert TOKEN not in str(caught.value)

    def test_challenges_come_and_go_one_by_one(self, route53):
        zone = ZoneRecords("route53", {}, DOMAIN)
        name = f"_acme-challenge.{DOMAIN}"
        zone.add(name, "one")
        zone.add(name, "two")
        assert sorted(route53.sets[name, "TXT"][1]) == ['"one"', '"two"']
        zone.remove(name, "one")
        assert route53.sets[name, "TXT"][1] == ('"two"',)
        zone.remove(name, "two")
        assert (name, "TXT") not in route53.sets

    def test_what_somebody_else_adds_in_the_same_moment_is_kept(self, route53):
        name = f"_acme-challenge.{DOMAIN}"
        route53.meanwhile = lambda: route53.sets.update({(name, "TXT"): (60, ('"theirs"',))})
        ZoneRecords("route53", {}, DOMAIN).add(name, "ours")
        assert sorted(route53.sets[name, "TXT"][1]) == ['"ours"', '"theirs"']
