from pathlib import Path

import psutil
import pytest

from gradts_engine.runtime.mounts import network_file_system

TABLE = r"""/dev/sda1 / ext4 rw 0 0
server:/home /home nfs4 rw 0 0
/dev/sdb1 /home/local xfs rw 0 0
//nas/share /mnt/my\040share cifs rw 0 0
me@host: /mnt/ssh fuse.sshfs rw 0 0
tmpfs /over tmpfs rw 0 0
server:/x /over nfs rw 0 0
overlay /odd overlay rw
short line
"""


@pytest.mark.parametrize(
    ("folder", "kind"),
    [
        ("/home/ada/.gradts", "nfs4"),
        ("/home/local/.gradts", ""),
        ("/homely", ""),
        ("/mnt/my share/x", "cifs"),
        ("/mnt/ssh", "fuse.sshfs"),
        ("/over/x", "nfs"),
        ("/odd", ""),
        ("/", ""),
    ],
)
def test_the_innermost_mount_counts(tmp_path, monkeypatch, folder, kind):
    (tmp_path / "self").mkdir()
    (tmp_path / "self" / "mounts").write_text(TABLE)
    monkeypatch.setattr(psutil, "PROCFS_PATH", str(tmp_path))
    assert network_file_system(Path(folder)) == kind


def test_no_table(tmp_path, monkeypatch):
    monkeypatch.setattr(psutil, "PROCFS_PATH", str(tmp_path))
    assert network_file_system(Path("/")) == ""


def test_this_machine_has_a_table_that_is_understood():
    assert isinstance(network_file_system(Path.cwd()), str)
