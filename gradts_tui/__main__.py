"""Entry point of `gradts-tui`."""

import sys


def main() -> int:
    """Say that the terminal UI is not there yet and how to work without it."""
    print("gradts-tui is not built yet: use `gradts-engine run tasks.toml`, see `gradts-engine --help`.", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
