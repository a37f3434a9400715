"""Provider keys in the system keyring, stored under (tunewise, backend name)."""

from __future__ import annotations

KEYRING_NAME = "tunewise"


def stored_key(backend: str) -> str | None:
    """Return the backend's key; None where there is none, or no keyring."""
    try:
        import keyring
        from keyring.errors import KeyringError
    except ModuleNotFoundError:
        return None
    try:
        return keyring.get_password(KEYRING_NAME, backend)  # type: ignore[no-any-return]
    except KeyringError:
        return None
