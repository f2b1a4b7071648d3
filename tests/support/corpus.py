"""What check says of the corpus: which rules find how much in which files, and nothing of what stands there.

The lists are reviewed by hand: each line is a fault that a reader of those manifests would see, too, or a word about
what the corpus leaves out.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from support import needs
from support.checked import examined

EXPECTED = Path(__file__).resolve().parents[1] / "real" / "corpus"


def repositories(corpus: Path) -> list[Path]:
    """The installations of the corpus, a folder each."""
    return sorted(path for path in corpus.iterdir() if path.is_dir())


def expected(repository: str) -> Path:
    """Where the list of one installation is kept."""
    return EXPECTED / f"{repository}.txt"


def produce(repository: Path) -> str:
    """The list: severity, id, the file to mend first, how many of them."""
    report, _ = examined(repository)
    counted = Counter(
        (finding.severity.value, finding.id, Path(finding.origins[0].file).relative_to(repository).as_posix())
        for finding in report.findings
    )
    return "".join(f"{' '.join(what)} {count}\n" for what, count in sorted(counted.items()))


def write() -> list[Path]:
    """Write all lists anew; returns them."""
    written = []
    for repository in repositories(needs.corpus()):
        target = expected(repository.name)
        target.parent.mkdir(exist_ok=True)
        target.write_text(produce(repository), encoding="utf-8")
        written.append(target)
    return written
