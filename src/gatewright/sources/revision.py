"""A git revision as a folder: the files that it holds, without touching the working tree.

They are written as a checkout would (line ends, large files), through an index of their own.  Counterpart of `files`,
which reads the folder as it reads any other.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from gatewright.base.errors import UsageError

SECONDS = 120
"""How long git may take."""


def is_revision(word: str) -> bool:
    """Does git, in the current folder, know a commit by this word?

    UsageError when there is no git, or no repository here: then no word is one.
    """
    if not word or word.startswith("-"):
        return False
    if _git("rev-parse", "--verify", "--quiet", f"{word}^{{commit}}").returncode == 0:
        return True
    if _git("rev-parse", "--git-dir").returncode:
        raise UsageError(f"there is no {word}, neither here nor as a revision: this folder is in no git repository")
    return False


def extract(revision: str, paths: tuple[str, ...], into: Path) -> Path:
    """Write what `revision` holds of `paths` (relative to the current folder) below `into`.

    Hands out the folder there that stands for the current one.  UsageError when git cannot.
    """
    inside = _checked(revision, "rev-parse", "--show-prefix").decode().strip()
    index = {"GIT_INDEX_FILE": str(into / "index")}
    folder = into / "tree"
    _checked(revision, "read-tree", f"{revision}^{{commit}}", extra=index)
    names = _checked(revision, "ls-files", "-z", "--", *(paths or (".",)), extra=index)
    _checked(revision, "checkout-index", "-z", "--stdin", f"--prefix={folder}/", extra=index, stdin=names)
    here = folder / inside
    here.mkdir(parents=True, exist_ok=True)
    return here


def _checked(revision: str, *words: str, extra: dict[str, str] | None = None, stdin: bytes = b"") -> bytes:
    done = _git(*words, extra=extra, stdin=stdin)
    if done.returncode:
        reason = done.stderr.decode(errors="replace").strip().removeprefix("fatal: ")
        raise UsageError(f"git cannot give {revision}: {reason}")
    return done.stdout


def _git(*words: str, extra: dict[str, str] | None = None, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    try:
        return subprocess.run(
            ["git", *words], input=stdin, capture_output=True, check=False, timeout=SECONDS,
            env={**os.environ, **(extra or {})},
        )  # fmt: skip
    except FileNotFoundError as error:
        raise UsageError("git is not installed: only folders and files can be compared") from error
    except subprocess.TimeoutExpired as error:
        raise UsageError(f"git {words[0]} took longer than {SECONDS} seconds") from error
