"""Configuration files of other programs as documents: how they are told apart from objects, and how they are named.

A site map says `config: wg0.conf` and means the file beside itself.  A file is an object like any other: its kind, no
namespace, and its path for a name.  Counterpart: `sources.foreign`, which makes these documents.
"""

from __future__ import annotations

import posixpath

from gatewright.kinds.identity import Key

GROUP = "files.gatewright.dev"
API_VERSION = f"{GROUP}/v1"

ZONE_FILE = "ZoneFile"
HELM_VALUES = "HelmValues"


def file_key(kind: str, document_file: str, relative: str) -> Key:
    """The Key of the file that the document in `document_file` calls `relative`."""
    return Key(kind, "", posixpath.normpath(posixpath.join(posixpath.dirname(document_file), relative)))
