"""The command, by its own name: so that a foreign package called ``advisor`` is noticed and named."""

from __future__ import annotations

from typing import NoReturn


def main() -> NoReturn:
    from advisor.cli import main as run

    run()


if __name__ == "__main__":
    main()
