"""How a comparison turns out, and observations in words."""

from __future__ import annotations

import enum

from msgspec import Struct

from gatewright.rehearsal.asking import Ended, Named, Observation


class Verdict(enum.StrEnum):
    """UNKNOWN: the model does not know; it counts neither for nor against it."""

    AGREES = "agrees"
    DIFFERS = "differs"
    UNKNOWN = "unknown"


class Judgement(Struct, frozen=True):
    """One branch against one observation.  `differences` in sentences; `unknown`: why they cannot be compared; `notes`:
    what of them could not be."""

    differences: tuple[str, ...] = ()
    unknown: str = ""
    notes: tuple[str, ...] = ()

    @property
    def verdict(self) -> Verdict:
        if self.differences:
            return Verdict.DIFFERS
        return Verdict.UNKNOWN if self.unknown else Verdict.AGREES


_NAMED = {
    Named.NODATA: "the name has no address of this family",
    Named.NXDOMAIN: "there is no such name",
    Named.REFUSED: "the resolver refuses to answer",
    Named.FAILED: "the resolver fails",
    Named.SILENT: "the resolver does not answer",
}
_ENDED = {
    Ended.NOT_TRIED: "nothing was tried",
    Ended.REFUSED: "the connection is refused",
    Ended.UNREACHABLE: "the address cannot be reached",
    Ended.TIMEOUT: "no connection in time",
    Ended.TLS_FAILED: "the TLS handshake fails",
    Ended.UNTRUSTED: "the client does not trust the certificate",
    Ended.CLOSED: "the connection is closed without an answer",
    Ended.SILENT: "no answer in time",
}


def in_words(seen: Observation) -> str:
    """How it ended, in a line, as `check.matrix.fate` says it of the model."""
    if seen.ended is Ended.ANSWERED:
        said = str(seen.status or "")
        if seen.grpc_status is not None:
            said += f" (grpc-status {seen.grpc_status})"
        if seen.echo is not None:
            echo = seen.echo
            answered = f" ({said})" if said not in ("", "200") else ""
            return f"delivered to {echo.namespace}/{echo.service}:{echo.port}{answered}"
        return f"answered {said}{f' → {seen.location}' if seen.location else ''}".strip()
    words = _NAMED.get(seen.named, "") or _ENDED[seen.ended]
    if seen.ended is Ended.UNTRUSTED and seen.distrust:
        words += f" ({seen.distrust})"
    return f"{words}: {seen.detail}" if seen.detail else words
