"""The garbage collector, out of the way while much is made at once."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def paused() -> Iterator[None]:
    """A cold read makes millions of objects and no garbage; looking for some doubles its time."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            if not gc.get_freeze_count():
                # Count what was made as old, or the collector walks all of it as soon as it is back.
                gc.freeze()
                gc.unfreeze()
            gc.enable()
