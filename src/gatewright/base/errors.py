"""The few exceptions: our own bugs aside, only failed I/O and impossible requests of the caller.

    GatewrightError
    ├── UsageError      the command line or an input as a whole is unusable (exit code 2)
    └── EngineError     a server that we run or talk to failed (exit code 3)

Mistakes inside input documents are `Problem` values, never exceptions.
"""

from __future__ import annotations


class GatewrightError(Exception):
    """Base of every error that Gatewright raises on purpose; its text is one line for the user."""


class UsageError(GatewrightError):
    """The user asked for something impossible: an unknown gateway, a folder that does not exist."""


class EngineError(GatewrightError):
    """An engine could not do its work: Envoy does not start, a port is taken, a state file is corrupt."""
