"""`completion`: click's own for bash, zsh and fish."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from gradts_engine.cli.base import cli, say


@cli.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print the completion script of a shell.

    \b
      eval "$(gradts-engine completion bash)"      in ~/.bashrc
      eval "$(gradts-engine completion zsh)"       in ~/.zshrc, after a line `autoload -Uz compinit; compinit`
      gradts-engine completion fish > ~/.config/fish/completions/gradts-engine.fish
    """
    kind = get_completion_class(shell)
    assert kind is not None, "one of click's own"
    for line in kind(cli, {}, "gradts-engine", "_GRADTS_ENGINE_COMPLETE").source().splitlines():
        say(line)
