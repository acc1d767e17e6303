"""Data from the Hub as its own client reads them, with a server in the place of huggingface.co."""

import hashlib
import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import datasets
import gradts_tagging
import pytest

OTHER = "b" * 40
READ = """
import json
from gradts_engine.config import load_experiment
from gradts_engine.hooks.catalog import load_catalog
from gradts_engine.learning.rows import read_rows

tasks = load_experiment("tasks.toml", load_catalog()).tasks
print(json.dumps({name: [row.values for row in read_rows(spec.train, spec.options)] for name, spec in tasks.items()}))
"""


class Hub(BaseHTTPRequestHandler):
    """Serves one data set from `folder`, which has a folder for each commit."""

    def __init__(self, folder: Path, *request: object) -> None:
        self.folder = folder
        super().__init__(*request)  # type: ignore[arg-type] # what the server gives it

    def do_GET(self) -> None:
        match re.findall(r"/(resolve|revision|tree)/([0-9a-f]{40})/?(.*)", urlsplit(self.path).path):
            case [("revision", commit, "")]:
                self.answer(json.dumps({"id": "leondz/wnut_17", "sha": commit}).encode())
            case [("tree", commit, path)] if (self.folder / commit / path).is_dir():
                self.answer(json.dumps([self.entry(commit, found) for found in self.listed(commit, path)]).encode())
            case [("resolve", commit, path)] if (self.folder / commit / path).is_file():
                content = (self.folder / commit / path).read_bytes()
                self.answer(content, ETag=f'"{hashlib.sha1(content).hexdigest()}"', X_Repo_Commit=commit)
            case _:
                self.answer(b"", 404, X_Error_Code="EntryNotFound")

    def listed(self, commit: str, path: str) -> Iterator[Path]:
        return (self.folder / commit / path).glob("**/*" if "recursive=true" in self.path else "*")

    def entry(self, commit: str, found: Path) -> dict[str, Any]:
        kind = "directory" if found.is_dir() else "file"
        return {"type": kind, "path": str(found.relative_to(self.folder / commit)), "oid": "0" * 40, "size": 1}

    do_HEAD = do_GET  # noqa: N815 # the names that http.server calls

    def answer(self, body: bytes, status: int = 200, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[str]:
    """Address of a Hub whose WNUT-17 has other rows at another commit, in the folders of the branch with converted data sets."""
    names = datasets.ClassLabel(names=["O", "B-person"])
    features = datasets.Features({"tokens": datasets.List(datasets.Value("string")), "ner_tags": datasets.List(names)})
    for commit in (gradts_tagging.WNUT, OTHER):
        for folder in ("wnut_17", "another"):
            data = datasets.Dataset.from_dict({"tokens": [[folder, commit]], "ner_tags": [[1, 0]]}, features=features)
            data.to_parquet(tmp_path / "hub" / commit / folder / "train" / "0000.parquet")
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Hub, tmp_path / "hub")) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_a_task_is_read_at_its_commit_or_at_another_that_is_named(hub: str, tmp_path: Path) -> None:
    table = f'[tasks.older]\nbase = "ner_wnut17"\noptions = {{revision = "{OTHER}"}}\n'
    (tmp_path / "tasks.toml").write_text(f'[run]\nencoder = "a/b"\ntasks = ["ner_wnut17"]\n{table}')
    environment = os.environ | {"HF_ENDPOINT": hub, "HF_HOME": str(tmp_path / "cache"), "GRADTS_DATA": ""}
    child = subprocess.run(
        [sys.executable, "-c", READ], env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )
    assert child.returncode == 0, child.stderr
    assert json.loads(child.stdout) == {
        name: [{"tokens": ["wnut_17", commit], "labels": ["B-person", "O"]}]
        for name, commit in (("ner_wnut17", gradts_tagging.WNUT), ("older", OTHER))
    }
