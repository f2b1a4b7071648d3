"""One attempt to get a certificate, from the key to the saved pair; runs in a thread and decides nothing.

Counterpart: `manager`, which says when, and what to do with the Result.
"""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable
from datetime import UTC, datetime

from msgspec import Struct

from gatewright.base.errors import EngineError
from gatewright.base.keypair import Fault, covers, inspect
from gatewright.base.sensitive import Sensitive
from gatewright.engines.certificates import keys
from gatewright.engines.certificates.issued import Issued
from gatewright.engines.certificates.obtaining import IssueError, Obtainer, Window
from gatewright.engines.certificates.store import Store, Stored, made
from gatewright.graph.issuing import Issuer, Wanted

_log = logging.getLogger(__name__)

ObtainerFor = Callable[[Issuer, Wanted], Obtainer]
# What does not keep a certificate from being the one that was asked for: a CA has no names, a slow clock no patience.
_HARMLESS = frozenset({Fault.NO_NAMES, Fault.NOT_YET_VALID, Fault.CHAIN_ORDER})


class Task(Struct, frozen=True):
    """What to get.  `current` is in use, for those who keep their key; `unsaved`: what was got before and could not be
    saved; `superseded`: is something else wanted in its place by now?"""

    wanted: Wanted
    issuer: Issuer
    now: float
    superseded: Callable[[], bool]
    current: Stored | None = None
    unsaved: Stored | None = None


class Result(Struct, frozen=True):
    """What came of a Task: `stored`, which is saved, or a sentence in `message`, or neither when it was superseded;
    `unsaved` when only saving failed."""

    wanted: Wanted
    stored: Stored | None = None
    message: str = ""
    retry_after: float | None = None
    permanent: bool = False
    unsaved: Stored | None = None
    window: Window | None = None


class Asked(Struct, frozen=True):
    """What an authority says of the certificate that is in use."""

    wanted: Wanted
    window: Window | None = None


def attempt(task: Task, store: Store, obtainer_for: ObtainerFor) -> Result:
    """Get it and save it.  Raises nothing; no key is part of any message."""
    wanted = task.wanted
    stored = task.unsaved
    try:
        obtainer = obtainer_for(task.issuer, wanted)
        if stored is None:
            stored = _obtained(task, store, obtainer)
        if task.superseded():
            return Result(wanted)
        store.save(wanted.id, stored)
    except IssueError as error:
        return Result(wanted, None, str(error), error.retry_after, error.permanent)
    except EngineError as error:
        return Result(wanted, None, str(error), unsaved=stored)
    except Exception as error:
        return Result(wanted, None, _bug(error), unsaved=stored)
    return Result(wanted, stored, window=_window(obtainer, stored.issued.chain))


def ask_again(task: Task, store: Store, obtainer_for: ObtainerFor) -> Asked:
    """When the authority wants the current certificate renewed."""
    if task.current is None:
        return Asked(task.wanted)
    try:
        obtainer = obtainer_for(task.issuer, task.wanted)
    except Exception as error:
        _bug(error)
        return Asked(task.wanted)
    return Asked(task.wanted, _window(obtainer, task.current.issued.chain))


def _window(obtainer: Obtainer, chain: bytes) -> Window | None:
    """None as well when asking failed: then the certificate's own dates count."""
    try:
        return obtainer.window(chain)
    except Exception as error:
        _bug(error)
        return None


def _obtained(task: Task, store: Store, obtainer: Obtainer) -> Stored:
    wanted = task.wanted
    key = _key(task, store)
    issued = obtainer.obtain(wanted, key)
    fault = _fault(wanted, issued, task.now)
    if fault:
        raise IssueError(f"{wanted.issuer} gave a certificate that is not what was asked for: {fault}")
    proper = Issued(issued.chain, keys.encoded(issued.key, wanted.private_key), issued.ca)
    return Stored(made(wanted, issued.chain, task.now), proper)


def _key(task: Task, store: Store) -> Sensitive:
    """The key of an order that was begun, the one in use where it is to stay, else a new one; on disk in any case."""
    wanted = task.wanted
    pending = store.pending(wanted.id)
    if pending is not None and keys.fits(pending, wanted.private_key):
        return pending
    if not wanted.private_key.rotate and task.current is not None:
        current = task.current.issued.key
        if keys.fits(current, wanted.private_key):
            return current
    key = keys.new(wanted.private_key)
    store.save_pending(wanted.id, key)
    return key


def _fault(wanted: Wanted, issued: Issued, now: float) -> str:
    """Why a server could not use what an issuer gave, "" when it can."""
    facts = inspect(issued.chain, issued.key.reveal(), datetime.fromtimestamp(now, UTC))
    fault = next((fault for fault in facts.faults if fault not in _HARMLESS), None)
    if fault is not None:
        return str(fault)
    missing = [name for name in wanted.names if not covers(facts, name) and not wanted.is_ca]
    return f"{missing[0]} is not on it" if missing else ""


def _bug(error: Exception) -> str:
    places = "".join(traceback.format_tb(error.__traceback__)[-4:])
    _log.error("%s while getting a certificate, at\n%s", type(error).__name__, places)
    return f"it failed with {type(error).__name__}, which is a fault of Gatewright: its log says where"
