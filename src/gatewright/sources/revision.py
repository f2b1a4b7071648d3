"""A git revision as a folder: the files that it holds, without touching the working tree.

Counterpart of `files`, which reads the folder as it reads any other.
"""

from __future__ import annotations

import io
import subprocess
import tarfile
from pathlib import Path

from gatewright.base.errors import UsageError

SECONDS = 120
"""How long git may take."""


def is_revision(word: str) -> bool:
    """Does git, in the current folder, know a commit by this word?"""
    if word.startswith("-"):
        return False
    try:
        return _git("rev-parse", "--verify", "--quiet", f"{word}^{{commit}}").returncode == 0
    except FileNotFoundError:
        return False


def extract(revision: str, paths: tuple[str, ...], into: Path) -> None:
    """Write the files of `paths` (relative to the current folder) as they are in `revision` below `into`.

    UsageError when git cannot.  Links that lead out of `into` are refused by tarfile's data filter (PEP 706).
    """
    inside = _git("rev-parse", "--show-prefix").stdout.decode().strip()
    wanted = [path or "." for path in paths] or ["."]
    done = _git("archive", "--format=tar", f"{revision}:{inside}" if inside else revision, "--", *wanted)
    if done.returncode:
        reason = done.stderr.decode(errors="replace").strip().removeprefix("fatal: ")
        raise UsageError(f"git cannot give {revision}: {reason}")
    with tarfile.open(fileobj=io.BytesIO(done.stdout)) as archive:
        try:
            archive.extractall(into, filter="data")
        except tarfile.FilterError as error:
            raise UsageError(f"{revision} holds a file that leads out of it: {error}") from error


def _git(*words: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(["git", *words], capture_output=True, check=False, timeout=SECONDS)
