"""Where state lives ($TUNEWISE_HOME, or the platform's user data folder), and where the price file lies."""

from __future__ import annotations

import os
from pathlib import Path

from advisor.errors import AdvisorError, PriceError

# SQLite opens no path beyond 512 bytes, Windows none beyond 260 characters; ours go 60 deeper than the folder.
_LONGEST = 180 if os.name == "nt" else 440


def home() -> Path:
    """Return the state folder, created on first use and readable by its owner alone.

    Raises AdvisorError when it cannot be made or written to.
    """
    chosen = os.environ.get("TUNEWISE_HOME")
    if chosen:
        folder = Path(chosen).expanduser()
    else:
        import platformdirs

        folder = Path(platformdirs.user_data_dir("tunewise", appauthor=False))
    remedy = "set TUNEWISE_HOME to a folder you can write to."
    if len(os.fsencode(folder.absolute())) > _LONGEST:
        raise AdvisorError(f"{folder}: the path of the folder for runs and caches is too long; {remedy}")
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise AdvisorError(
            f"{folder}: the folder for runs and caches cannot be made ({error.strerror}); {remedy}"
        ) from error
    if not os.access(folder, os.W_OK):
        raise AdvisorError(f"{folder}: the folder for runs and caches cannot be written to; {remedy}")
    return folder


def packaged_prices() -> Path:
    """Return the price file that came with the product: inside the package, or beside it in a checkout."""
    package = Path(__file__).resolve().parent
    for candidate in (package / "pricing.yaml", package.parent / "pricing.yaml"):
        if candidate.is_file():
            return candidate
    raise PriceError("The packaged pricing.yaml is missing; install tunewise again, or name a file with --pricing.")
