"""Places a model can be trained and asked: ``names()``, ``get(name)`` and the public types.

A backend is one public file (or folder) here: its name is the ``--backend`` value and the key in pricing.yaml.
Other packages add one through the entry-point group ``tunewise.backends``.
"""

from __future__ import annotations

import importlib
import sys
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from backends._base import (
    Backend,
    Completion,
    Heard,
    Job,
    JobEvent,
    JobSpec,
    JobStatus,
    Json,
    Message,
    Method,
    Objective,
    Request,
    Save,
    ToolCall,
)
from backends._errors import (
    AccessClosed,
    AuthenticationFailed,
    BackendError,
    BackendMissing,
    FileRejected,
    FundsMissing,
    JobNotFound,
    ModelNotTunable,
    OutcomeUnknown,
    ProviderUnavailable,
    QuestionRefused,
    RateLimited,
    SpecRefused,
    wait_s,
)
from backends._hyperparameters import DEFAULT_LORA_RANK, Hyperparameters, Knob
from backends._install import install_extra, install_package, reinstall
from backends._keyring import KEYRING_NAME, stored_key
from backends._provider import Provider
from backends._rows import RowFormat
from backends._serving import Rate, Serving

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

__all__ = [
    "DEFAULT_LORA_RANK",
    "KEYRING_NAME",
    "REHEARSAL",
    "AccessClosed",
    "AuthenticationFailed",
    "Backend",
    "BackendError",
    "BackendMissing",
    "Completion",
    "FileRejected",
    "FundsMissing",
    "Heard",
    "Hyperparameters",
    "Job",
    "JobEvent",
    "JobNotFound",
    "JobSpec",
    "JobStatus",
    "Json",
    "Knob",
    "Message",
    "Method",
    "ModelNotTunable",
    "Objective",
    "OutcomeUnknown",
    "Provider",
    "ProviderUnavailable",
    "QuestionRefused",
    "Rate",
    "RateLimited",
    "Request",
    "RowFormat",
    "Save",
    "Serving",
    "SpecRefused",
    "ToolCall",
    "get",
    "install_extra",
    "install_package",
    "names",
    "reinstall",
    "stored_key",
    "wait_s",
]

_GROUP = "tunewise.backends"
REHEARSAL = "rehearsal"  # can be got by its name, but is no place to train and is listed nowhere


def names() -> tuple[str, ...]:
    """Return the names of all backends, ours and installed plugins', sorted; nothing is imported."""
    here = {
        path.stem
        for path in Path(__file__).parent.iterdir()
        if not path.name.startswith("_") and (path.suffix == ".py" or (path / "__init__.py").is_file())
    }
    return tuple(sorted(here | set(_plugins())))


def get(name: str) -> Backend:
    """Return the backend called ``name``. Raises BackendMissing, with the install line when a package is absent."""
    if name == REHEARSAL:
        from backends._rehearsal import RehearsalBackend

        return RehearsalBackend()
    plugins = _plugins()
    if name not in names():
        raise BackendMissing(f"There is no backend called '{name}'; choose one of: {', '.join(names())}.")
    try:
        kind = plugins[name].load() if name in plugins else importlib.import_module(f"backends.{name}").BACKEND
    except ModuleNotFoundError as error:
        raise BackendMissing(f"Backend '{name}' needs the package '{error.name}': {install_extra(name)}") from error
    backend = kind()
    if not isinstance(backend, Backend):
        raise BackendMissing(f"Plugin '{name}' does not provide a backends.Backend class.")
    return backend


def _plugins() -> dict[str, EntryPoint]:
    return _plugins_on(tuple(sys.path))


@cache
def _plugins_on(path: tuple[str, ...]) -> dict[str, EntryPoint]:
    """Read what the packages on ``path`` declare: 50 ms where many are installed, and asked 60 times for one advice."""
    from importlib.metadata import entry_points  # 25 ms, so not on the way to --help

    return {point.name: point for point in entry_points(group=_GROUP)}
