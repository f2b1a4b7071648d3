"""Network namespaces by name, and how to be inside of one for the moment that a socket is made.

A socket belongs for good to the namespace in which it was made, so one process can have clients and servers in all of
them.  Counterparts: `builder`, which makes namespaces; `isolation`, without which they would be those of the host.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from gatewright.base.errors import EngineError
from gatewright.rehearsal.world import netns

FOLDER: Final = Path("/run/netns")
CLONE_NEWNET: Final = 0x40000000

_libc = ctypes.CDLL(None, use_errno=True)


@contextlib.contextmanager
def inside(space: str) -> Iterator[None]:
    """Be in the network namespace of a space; only this thread is, and nothing may be awaited meanwhile.

    Raises EngineError when there is no such namespace.
    """
    home = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        try:
            there = os.open(FOLDER / netns(space), os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            raise EngineError(f"there is no namespace of {space}: {error.strerror}") from error
        try:
            _enter(there, space)
        finally:
            os.close(there)
        try:
            yield
        finally:
            _enter(home, "the rehearsal itself")
    finally:
        os.close(home)


def make_socket(space: str, family: socket.AddressFamily, kind: socket.SocketKind) -> socket.socket:
    """A socket in a space, not blocking."""
    with inside(space):
        made = socket.socket(family, kind)
    made.setblocking(False)
    return made


def listener(space: str, address: str, port: int, kind: socket.SocketKind = socket.SOCK_STREAM) -> socket.socket:
    """A bound (for streams also listening) socket in a space.  EngineError when the address cannot be had."""
    made = make_socket(space, socket.AF_INET6 if ":" in address else socket.AF_INET, kind)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if made.family == socket.AF_INET6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        made.bind((address, port))
        if kind == socket.SOCK_STREAM:
            made.listen(1024)
    except OSError as error:
        made.close()
        raise EngineError(f"cannot listen at {address} port {port} in {space}: {error.strerror}") from error
    return made


def _enter(descriptor: int, space: str) -> None:
    if _libc.setns(descriptor, CLONE_NEWNET):
        error = os.strerror(ctypes.get_errno())
        raise EngineError(f"cannot enter the namespace of {space}: {error}")
