"""On what kind of file system a folder is."""

from __future__ import annotations

import re
from pathlib import Path

MOUNTS = Path("/proc/self/mounts")
NETWORK = ("9p", "afs", "beegfs", "ceph", "cifs", "glusterfs", "gpfs", "lustre", "nfs", "ocfs2", "smb", "sshfs")
"""How the names of network file systems begin."""


def network_file_system(folder: Path, mounts: Path = MOUNTS) -> str:
    """The type of the network file system that holds a folder; empty if it is a local one, or not known."""
    try:
        lines = mounts.read_text(errors="surrogateescape").splitlines()
    except OSError:
        return ""
    above = {str(path) for path in (folder.resolve(), *folder.resolve().parents)}
    found = [(_unescape(fields[1]), fields[2]) for line in lines if len(fields := line.split()) > 2]
    # of mounts at one place, the last hides the others
    _, kind = max(((len(place), i), kind) for i, (place, kind) in enumerate(found) if place in above) if found else (0, "")
    return kind if kind.removeprefix("fuse.").startswith(NETWORK) else ""


def _unescape(place: str) -> str:
    """The mount table writes blanks and backslashes in octal."""
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), place)
