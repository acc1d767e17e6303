"""The UI in a browser."""

import asyncio
import base64
import json
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import aiohttp
import pytest

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
PROGRAM = str(Path(sys.executable).with_name("gradts-tui"))
FLAGS = "--headless --no-sandbox --disable-gpu --disable-background-networking --window-size=1000,700 --remote-debugging-port=0"
"""What is drawn is looked at by the browser's own protocol, some time after the page is there."""


def status(address: str) -> int:
    try:
        with urllib.request.urlopen(address, timeout=20) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code


@pytest.fixture
def address(ran):
    """Where the UI of a finished run is served."""
    command = [PROGRAM, ran.latest.id, "--store", str(ran.store.root), "--serve"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    address = server.stdout.readline().strip()
    port = int(address.split(":")[2].split("/")[0])
    for _ in range(100):  # the address is told just before the port is open
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                break
        time.sleep(0.1)
    yield address
    server.terminate()
    server.communicate(timeout=30)


def test_only_who_knows_the_token_is_let_in(address):
    root, _, token = address.rstrip("/").rpartition("/")
    assert root.startswith("http://127.0.0.1:")
    assert len(token) >= 32
    assert status(address) == 200
    for wrong in (root + "/", f"{root}/ws", f"{root}/{token[:-1]}x/", f"{root}/static/"):
        assert status(wrong) == 404, wrong


async def screenshots(port: int, seconds: int):
    """A picture of the page every second."""
    async with aiohttp.ClientSession() as session:
        async with session.get(f"http://127.0.0.1:{port}/json/list") as answer:
            pages = [page for page in await answer.json() if page["type"] == "page"]
        async with session.ws_connect(pages[0]["webSocketDebuggerUrl"], max_msg_size=0) as socket:
            for number in range(seconds):
                await asyncio.sleep(1)
                await socket.send_json({"id": number, "method": "Page.captureScreenshot"})
                while (answer := json.loads((await socket.receive()).data)).get("id") != number:
                    pass
                yield base64.b64decode(answer["result"]["data"])


@pytest.mark.skipif(BROWSER is None, reason="no Chromium")
def test_a_browser_shows_the_run(address, folder):
    """A screen of text takes many times the bytes of the empty page that is there first."""
    profile = folder / "profile"
    command = [str(BROWSER), *FLAGS.split(), f"--user-data-dir={profile}", address]
    browser = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    try:
        port = next(int(line.split(":")[2].split("/")[0]) for line in browser.stderr if line.startswith("DevTools listening"))
        pictures = []

        async def watch() -> bool:
            async for picture in screenshots(port, 30):
                pictures.append(picture)
                if len(picture) > 4 * len(pictures[0]):
                    return True
            return False

        shown = asyncio.run(watch())
        (folder / "screen.png").write_bytes(pictures[-1])
        assert shown, [len(picture) for picture in pictures]
    finally:
        browser.terminate()
        browser.communicate(timeout=30)
