"""``python -m tunewise`` is the command."""

from advisor.cli import main

main()
