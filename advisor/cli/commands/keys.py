"""``tunewise keys``: provider keys in the system keyring, never printed."""

from __future__ import annotations

import sys
from types import ModuleType

import click

from advisor.cli import render
from advisor.cli.flags import common, completing
from advisor.cli.flags.command import Group
from advisor.errors import AdvisorError
from advisor.nearest import no_such
from backends import KEYRING_NAME, install_extra, names


def _known(ctx: click.Context, param: click.Parameter, value: str) -> str:
    if value not in names():
        raise click.BadParameter(no_such("backend", value, names()))
    if value == "local":
        raise click.BadParameter("training here needs no key.")
    return value


@click.group("keys", cls=Group)
def command() -> None:
    """Keep provider keys in the system keyring. A key in the environment wins over one in the keyring.

    \b
    tunewise keys list
    tunewise keys set together
    tunewise keys remove together
    """


@command.command("list")
@common.as_json
def listing(as_json: bool) -> None:
    """List the backends, the variable of each key, and where a key is set; no part of a key is shown.

    \b
    tunewise keys list
    """
    import backends
    from advisor.cli.reachability import KeyPlace, key_place

    found = []
    for name in names():
        backend = backends.get(name)
        if backend.provider is not None:
            place = key_place(name, backend.provider.key_name) or backend.credentials()
            found.append(KeyPlace(name, backend.provider.key_name, place is not None, place))
    if as_json:
        render.json_document(found)
        return
    from advisor.cli.render.keys import show

    show(found)


@command.command("set")
@click.argument("backend", callback=_known, shell_complete=completing.backends)
@common.as_json
def keep(backend: str, as_json: bool) -> None:
    """Ask for BACKEND's key without showing it (or read one line from stdin) and keep it.

    \b
    tunewise keys set together
    """
    keyring, failure = _keyring()
    key = click.prompt("Key", hide_input=True) if sys.stdin.isatty() else sys.stdin.readline()
    if not key.strip():
        raise AdvisorError("No key was given; nothing was stored.")
    try:
        keyring.set_password(KEYRING_NAME, backend, key.strip())
    except failure as error:
        raise AdvisorError(f"The system keyring refused ({error}); use the environment variable instead.") from error
    render.note(f"Stored the key of {backend} in the system keyring.")
    if as_json:
        render.json_document({"backend": backend, "kept": True})


@command.command("remove")
@click.argument("backend", callback=_known, shell_complete=completing.backends)
@common.as_json
def remove(backend: str, as_json: bool) -> None:
    """Forget BACKEND's key.

    \b
    tunewise keys remove together
    """
    keyring, failure = _keyring()
    try:
        keyring.delete_password(KEYRING_NAME, backend)
    except failure as error:
        raise AdvisorError(f"No key of {backend} is in the system keyring.") from error
    render.note(f"Removed the key of {backend}.")
    if as_json:
        render.json_document({"backend": backend, "kept": False})


def _keyring() -> tuple[ModuleType, type[Exception]]:
    """Return the keyring module, from a package that may be absent, and what it raises."""
    try:
        import keyring
        from keyring.errors import KeyringError
    except ModuleNotFoundError as error:
        raise AdvisorError(f"Keeping keys needs the package 'keyring': {install_extra('keys')}") from error
    return keyring, KeyringError
