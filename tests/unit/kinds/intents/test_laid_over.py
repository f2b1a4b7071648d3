"""Options over each other, where they are not simply replaced."""

from __future__ import annotations

from gatewright.base.origin import Origin
from gatewright.kinds.intents.filters import ForwardAuth
from gatewright.kinds.intents.options import Options, TlsRedirect, laid_over

HERE = Origin("manifest.yaml")
AUTH = ForwardAuth(HERE, ("http://auth/",))


def test_no_hsts_is_a_word() -> None:
    wide = Options(hsts="max-age=1")
    assert laid_over(wide, Options(read_timeout=1.0)).hsts == "max-age=1"
    assert laid_over(wide, Options(hsts="")).hsts == ""
    assert laid_over(laid_over(wide, Options(hsts="")), Options(read_timeout=1.0)).hsts == ""


def test_authentication_of_all_can_be_left_out() -> None:
    wide = Options(auth=AUTH)
    assert laid_over(wide, Options(wider_auth=True)).auth == AUTH
    assert laid_over(wide, Options(wider_auth=False)).auth is None
    own = ForwardAuth(HERE, ("http://own/",))
    assert laid_over(wide, Options(wider_auth=False, auth=own)).auth == own


def test_a_redirect_has_the_status_and_exceptions_of_its_door() -> None:
    wide = Options(tls_redirect=TlsRedirect("tls", 301, excepts=("/health",)))
    found = laid_over(wide, Options(tls_redirect=TlsRedirect("always", 0))).tls_redirect
    assert found == TlsRedirect("always", 301, excepts=("/health",))
    assert laid_over(wide, Options(read_timeout=1.0)).tls_redirect == wide.tls_redirect
