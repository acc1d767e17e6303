"""The UI in a browser (`--serve`), on this machine alone: who knows the address, with its token, may look and decide."""

from __future__ import annotations

import secrets
import shlex
import socket
import sys
from collections.abc import Awaitable, Callable, Sequence

from aiohttp import web
from textual_serve.server import Server

HOST = "127.0.0.1"
HEAD = """<title>GradTS</title><script>
const wait = setInterval(() => {
  const keys = document.querySelector(".xterm-helper-textarea");
  if (keys) { keys.focus(); clearInterval(wait); }
}, 100);
</script>"""
"""What textual-serve's page lacks: without a focus it ignores keys until somebody clicks."""


class Guarded(Server):  # type: ignore[misc]  # textual-serve has no types
    """textual-serve below a path that nobody guesses; any other path is not found."""

    def __init__(self, command: Sequence[str], port: int) -> None:
        self.token = secrets.token_urlsafe(24)
        super().__init__(shlex.join(command), host=HOST, port=port, title="GradTS")

    @property
    def address(self) -> str:
        """What to open."""
        return f"{self.public_url}/{self.token}/"

    async def _make_app(self) -> web.Application:
        outer, inner = web.Application(), await super()._make_app()
        inner.on_response_prepare.append(self.from_here_alone)
        inner.middlewares.append(self.titled)
        outer.router.add_get(f"/{self.token}", self.with_slash)
        outer.add_subapp(f"/{self.token}/", inner)
        return outer

    async def with_slash(self, request: web.Request) -> web.StreamResponse:
        """An address whose last slash was lost on the way."""
        raise web.HTTPFound(self.address)

    @web.middleware
    async def titled(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        """Give the page its title, and the keys to its terminal."""
        response = await handler(request)
        if isinstance(response, web.Response) and response.content_type == "text/html":
            response.text = (response.text or "").replace("<head>", f"<head>{HEAD}", 1)
        return response

    async def from_here_alone(self, request: web.Request, response: web.StreamResponse) -> None:
        """Forbid what textual-serve's page loads from elsewhere: a font, for which it waits where there is no network."""
        sockets = self.public_url.replace("http", "ws", 1)
        response.headers["Content-Security-Policy"] = f"default-src 'self' 'unsafe-inline' data:; connect-src 'self' {sockets}"
        response.headers["Referrer-Policy"] = "no-referrer"

    def initialize_logging(self) -> None:
        """Nothing is logged: requests hold the token."""

    async def on_startup(self, app: web.Application) -> None:
        """Say where it is."""
        sys.stdout.write(f"{self.address}\nOpen this address in a browser on this machine; Ctrl+C ends it, and runs go on.\n")
        sys.stdout.flush()


def free_port() -> int:
    """A port that nobody uses now."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


def serve(arguments: Sequence[str], port: int) -> None:
    """Serve `gradts-tui ARGUMENTS` until Ctrl+C; every browser tab has a UI of its own."""
    Guarded([sys.executable, "-P", "-m", "gradts_tui", *arguments], port or free_port()).serve()
