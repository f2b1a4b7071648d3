"""Passwords that Envoy cannot check, through real runs: who gets in, and that it stays so through deaths and edits."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import signal
from collections.abc import Iterator

import bcrypt
import pytest
from passlib.hash import apr_md5_crypt, sha512_crypt

from support import session as s
from support.session import GATEWAY, Session

pytestmark = pytest.mark.real

SHA1 = "{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g="  # "password"


@pytest.fixture
def run() -> Iterator[Session]:
    with s.session() as made:
        yield made


def users(name: str, *lines: str, **more: object) -> str:
    """A Middleware and its Secret."""
    meta = {"name": name, "namespace": "apps"}
    spec = {"basicAuth": {"secret": name, **more}}
    return s.documents(
        {"apiVersion": "traefik.io/v1alpha1", "kind": "Middleware", "metadata": meta, "spec": spec},
        {"apiVersion": "v1", "kind": "Secret", "metadata": meta, "stringData": {"users": "\n".join(lines)}},
    )


def protected(name: str, middleware: str, host: str = "") -> str:
    reference = {"group": "traefik.io", "kind": "Middleware", "name": middleware}
    return s.route(name, host=host, rule={"filters": [{"type": "ExtensionRef", "extensionRef": reference}]})


def hashed(name: str, password: str, kind: str = "bcrypt") -> str:
    if kind == "apr1":
        return f"{name}:{apr_md5_crypt.hash(password)}"
    if kind == "sha512":
        return f"{name}:{sha512_crypt.using(rounds=5000).hash(password)}"
    return f"{name}:{bcrypt.hashpw(password.encode(), bcrypt.gensalt(8)).decode()}"


async def ask(
    where: tuple[str, int], host: str, login: str | None = None, **headers: str
) -> tuple[int, dict[str, str], dict[str, list[str]]]:
    """Status, headers, and the headers that the backend saw."""
    if login is not None:
        headers["Authorization"] = "Basic " + base64.b64encode(login.encode()).decode()
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    reader, writer = await asyncio.open_connection(*where)
    try:
        async with asyncio.timeout(s.DEADLINE):
            writer.write(f"GET / HTTP/1.1\r\nHost: {host}\r\n{lines}\r\n".encode())
            first, *rest = (await reader.readuntil(b"\r\n\r\n")).decode().strip().split("\r\n")
            told = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in rest)}
            body = await reader.readexactly(int(told.get("content-length", 0)))
    finally:
        writer.close()
    status = int(first.split()[1])
    return status, told, json.loads(body)["headers"] if status == 200 else {}


async def begin(run: Session, at: dict[str, tuple[str, int]]) -> tuple[str, int]:
    run.write("gateway.yaml", s.gateway(s.listener("http", 80)))
    run.write("services.yaml", *(s.service(name, address) for name, address in at.items()))
    live = await s.beside(run.start)
    where = live.socket_of(GATEWAY, 80)
    assert where is not None
    return where


def test_who_gets_in(run: Session) -> None:
    async def scenario() -> None:
        async with s.backends("web") as at:
            lines = (hashed("ada", "a:pass"), hashed("bob", "b", "apr1"), hashed("cyd", "c", "sha512"), f"dan:{SHA1}")
            run.write(
                "users.yaml", users("staff", *lines, realm='the "staff"', headerField="X-User", removeHeader=True)
            )
            run.write("a.yaml", protected("a", "staff"), protected("late", "staff", "*.late.example.com"))
            where = await begin(run, at)
            for host in ("a.example.com", "A.example.com", "x.late.example.com"):
                status, headers, _ = await ask(where, host)
                assert (status, headers["www-authenticate"]) == (401, 'Basic realm="the \\"staff\\""')
                for login in ("ada:a:pass", "bob:b", "cyd:c", "dan:password"):
                    status, _, seen = await ask(where, host, login, **{"X-User": "root"})
                    assert status == 200, (host, login)
                    names = {name.lower(): value for name, value in seen.items()}
                    assert names["x-user"] in ([login.partition(":")[0]], login.partition(":")[0])
                    assert "authorization" not in names
                for login in ("ada:b", "bob:", "cyd:C", "dan:x", "eve:b", "", ":"):
                    assert (await ask(where, host, login))[0] == 401, (host, login)
            assert len(run.checking()) == 1
            assert (run.state / "users").stat().st_mode & 0o077 == 0
            for file in (run.state / "users").iterdir():
                assert file.is_socket() or b"$2b$" not in file.read_bytes()
            assert await s.beside(run.stop) == 0
            assert run.checking() == ()

    asyncio.run(scenario())


def test_there_is_no_process_without_need(run: Session) -> None:
    async def scenario() -> None:
        async with s.backends("web") as at:
            run.write("users.yaml", users("staff", f"dan:{SHA1}"))
            run.write("a.yaml", protected("a", "staff"))
            where = await begin(run, at)
            assert (await ask(where, "a.example.com", "dan:password"))[0] == 200
            assert run.checking() == ()

            run.write("users.yaml", users("staff", hashed("ada", "a")))
            await s.until(lambda: is_let_in(where, "ada:a"))
            assert len(run.checking()) == 1
            assert (await ask(where, "a.example.com", "dan:password"))[0] == 401

            run.write("users.yaml", users("staff", f"dan:{SHA1}"))
            await s.until(lambda: is_let_in(where, "dan:password"))
            await s.until(nobody_checks)

    async def nobody_checks() -> bool:
        return run.checking() == ()

    asyncio.run(scenario())


async def is_let_in(where: tuple[str, int], login: str) -> bool:
    return (await ask(where, "a.example.com", login))[0] == 200


def test_changed_users_are_others_at_once(run: Session) -> None:
    async def scenario() -> None:
        async with s.backends("web") as at:
            run.write("users.yaml", users("staff", hashed("ada", "old")))
            run.write("a.yaml", protected("a", "staff"))
            where = await begin(run, at)
            assert await is_let_in(where, "ada:old")
            run.write("users.yaml", users("staff", hashed("ada", "new")))
            await s.until(lambda: is_let_in(where, "ada:new"))
            assert not await is_let_in(where, "ada:old")

    asyncio.run(scenario())


def test_it_outlives_the_control_plane_and_is_taken_over(run: Session) -> None:
    async def scenario() -> None:
        async with s.backends("web") as at:
            run.write("users.yaml", users("staff", hashed("ada", "a")))
            run.write("a.yaml", protected("a", "staff"))
            where = await begin(run, at)
            (first,) = run.checking()
            statuses: list[int] = []
            asking = asyncio.create_task(keep_asking(where, statuses))
            await s.beside(run.kill)
            assert run.checking() == (first,)
            assert await is_let_in(where, "ada:a")
            assert not await is_let_in(where, "ada:b")
            run.write("users.yaml", users("staff", hashed("ada", "a"), hashed("bob", "b")))
            await s.beside(run.start)
            await s.until(lambda: is_let_in(where, "bob:b"))

            async def is_taken_over() -> bool:
                return first not in run.checking() and len(run.checking()) == 1

            await s.until(is_taken_over, 60)
            asking.cancel()
            assert set(statuses) == {200}

    asyncio.run(scenario())


async def keep_asking(where: tuple[str, int], statuses: list[int]) -> None:
    while True:
        statuses.append((await ask(where, "a.example.com", "ada:a"))[0])
        await asyncio.sleep(s.PAUSE)


def test_without_it_nobody_gets_in_and_it_comes_back(run: Session) -> None:
    async def scenario() -> None:
        async with s.backends("web") as at:
            run.write("users.yaml", users("staff", hashed("ada", "a")))
            run.write("a.yaml", protected("a", "staff"))
            where = await begin(run, at)
            (first,) = run.checking()
            await s.beside(run.kill)
            os.kill(first, signal.SIGKILL)

            async def is_refused() -> bool:
                return (await ask(where, "a.example.com", "ada:a"))[0] == 503

            await s.until(is_refused)
            await s.beside(run.start)
            await s.until(lambda: is_let_in(where, "ada:a"))
            (second,) = run.checking()
            os.kill(second, signal.SIGKILL)

            async def is_another() -> bool:
                return bool(run.checking()) and run.checking() != (second,) and await is_let_in(where, "ada:a")

            await s.until(is_another)

    asyncio.run(scenario())


def test_that_passwords_cannot_be_checked_is_told_as_long_as_it_is_so(run: Session) -> None:
    def told() -> list[str]:
        return [fault["message"] for fault in run.status()[1]["problems"] if fault["id"] == "users-unchecked"]

    async def scenario() -> None:
        async with s.backends("web") as at:
            run.write("users.yaml", users("staff", hashed("ada", "a")))
            run.write("a.yaml", protected("a", "staff"), s.route("open"))
            run.state.mkdir(mode=0o700)
            (run.state / "users").write_bytes(b"")  # where the socket should be
            where = await begin(run, at)
            assert (await ask(where, "a.example.com", "ada:a"))[0] == 503
            assert (await ask(where, "open.example.com"))[0] == 200
            (message,) = await s.beside(told)
            assert "requests that need it get 503" in message
            assert len(run.lines("error", "the server that checks passwords")) == 1
            (run.state / "users").unlink()
            await s.until(lambda: _gets_in(where))
            await s.beside(s.wait, lambda: not told())
            assert await s.beside(run.stop) == 0

    async def _gets_in(where: tuple[str, int]) -> bool:
        return (await ask(where, "a.example.com", "ada:a"))[0] == 200

    asyncio.run(scenario())
