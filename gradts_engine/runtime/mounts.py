"""On what kind of file system a folder is."""

from __future__ import annotations

from pathlib import Path

import psutil

NETWORK = ("9p", "afs", "beegfs", "ceph", "cifs", "glusterfs", "gpfs", "lustre", "nfs", "ocfs2", "smb", "sshfs")
"""How the names of network file systems begin."""


def network_file_system(folder: Path) -> str:
    """The type of the network file system that holds a folder; empty if it is a local one, or not known."""
    try:
        mounts = psutil.disk_partitions(all=True)
    except OSError:
        return ""
    above = {str(path) for path in (folder.resolve(), *folder.resolve().parents)}
    # of mounts at one place, the last hides the others
    found = [(len(mount.mountpoint), i, mount.fstype) for i, mount in enumerate(mounts) if mount.mountpoint in above]
    kind: str = max(found)[2] if found else ""
    return kind if kind.removeprefix("fuse.").startswith(NETWORK) else ""
