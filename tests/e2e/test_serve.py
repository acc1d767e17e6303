"""The UI in a browser."""

import asyncio
import base64
import io
import itertools
import json
import os
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
from PIL import Image

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
PROGRAM = str(Path(sys.executable).with_name("gradts-tui"))
FLAGS = "--headless --no-sandbox --disable-gpu --disable-background-networking --window-size=1000,700 --remote-debugging-port=0"
"""What is drawn is looked at by the browser's own protocol, some time after the page is there."""
LEFT = {"button": "left", "buttons": 1, "clickCount": 1, "modifiers": 8}
"""The left button of the mouse, with shift, in that protocol."""
TITLE, DARK = (800, 9), (48, 48, 48)
"""A point in the first line of the screen, and its colour in the theme in which a UI starts."""


def get(address: str) -> tuple[int, str]:
    """Status, and what the page may load."""
    try:
        with urllib.request.urlopen(address, timeout=20) as answer:
            return answer.status, answer.headers["Content-Security-Policy"]
    except urllib.error.HTTPError as error:
        return error.code, ""


@pytest.fixture
def address(ran, folder):
    """Where the UI of a finished run is served."""
    command = [PROGRAM, ran.latest.id, "--store", str(ran.store.root), "--serve"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ | {"XDG_CONFIG_HOME": str(folder)})
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
    status, policy = get(address)
    assert status == 200
    assert policy.startswith("default-src 'self'"), "the page loads a font from elsewhere"
    assert get(address.rstrip("/"))[0] == 200  # the slash was lost on the way
    with urllib.request.urlopen(address, timeout=20) as answer:
        assert b"<title>GradTS</title>" in answer.read()
    for wrong in (root + "/", f"{root}/ws", f"{root}/{token.swapcase()}/", f"{root}/{token[:-1]}/", f"{root}/static/"):
        assert get(wrong)[0] == 404, wrong


COPIED = """(() => {
  const clipboard = new DataTransfer();
  document.querySelector(".xterm")?.dispatchEvent(new ClipboardEvent("copy", {clipboardData: clipboard, bubbles: true}));
  return clipboard.getData("text/plain");
})()"""
"""What is selected in the page's terminal: it paints its text, and has it nowhere else."""


async def looks(port: int, seconds: int):
    """Every second, the text of the page's terminal, over which the mouse is drawn with shift to select it, and a picture. The
    first lines are left out: what is selected changes its colour."""
    async with aiohttp.ClientSession() as session:
        async with session.get(f"http://127.0.0.1:{port}/json/list") as answer:
            pages = [page for page in await answer.json() if page["type"] == "page"]
        async with session.ws_connect(pages[0]["webSocketDebuggerUrl"], max_msg_size=0) as socket:
            numbers = itertools.count()

            async def ask(method: str, **parameters: object) -> dict:
                number = next(numbers)
                await socket.send_json({"id": number, "method": method, "params": parameters})
                while (answer := json.loads((await socket.receive()).data)).get("id") != number:
                    pass
                return answer["result"]

            for _ in range(seconds):
                await asyncio.sleep(1)
                for kind, x, y in (("mousePressed", 2, 45), ("mouseMoved", 990, 500), ("mouseReleased", 990, 500)):
                    await ask("Input.dispatchMouseEvent", type=kind, x=x, y=y, **LEFT)
                copied = await ask("Runtime.evaluate", expression=COPIED)
                picture = await ask("Page.captureScreenshot")
                yield copied["result"].get("value", ""), base64.b64decode(picture["data"])


def title(picture: bytes) -> object:
    """The colour of the first line of the screen."""
    return Image.open(io.BytesIO(picture)).convert("RGB").getpixel(TITLE)


@pytest.mark.skipif(BROWSER is None, reason="no Chromium")
def test_a_browser_shows_the_run(address, folder, ran):
    """The run's screen is in the page's terminal, and what is drawn is no longer the page that is there while it starts."""
    profile = folder / "profile"
    command = [str(BROWSER), *FLAGS.split(), f"--user-data-dir={profile}", address]
    browser = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    try:
        port = next(int(line.split(":")[2].split("/")[0]) for line in browser.stderr if line.startswith("DevTools listening"))

        async def watch() -> tuple[str, bytes]:
            async for look in looks(port, 30):
                if "Final models" in look[0] and title(look[1]) == DARK:  # the page fades in
                    break
            return look

        text, picture = asyncio.run(watch())
        (folder / "screen.png").write_bytes(picture)
        assert ran.latest.id in text
        assert "Final models" in text
        assert title(picture) == DARK
    finally:
        browser.terminate()
        browser.communicate(timeout=30)
