"""Whether Python finds our packages under their names: other distributions, and folders, may be called the same."""

from __future__ import annotations

from importlib.metadata import packages_distributions
from pathlib import Path

import advisor
from advisor.cli.checks import Check

NAMES = ("advisor", "backends", "tunewise")
_OURS = Path(str(advisor.__file__)).parent.parent


def import_names(folder: Path) -> Check:
    """Look for another distribution that brings our names, and for files in ``folder`` that hide ours."""
    brought = packages_distributions()
    others = {name: sorted({*brought.get(name, ())} - {"tunewise"}) for name in NAMES}
    taken = [f"{name} is also a part of {', '.join(found)}" for name, found in others.items() if found]
    if taken:
        packages = " ".join(sorted({one for found in others.values() for one in found}))
        return Check(
            "import names",
            "broken",
            f"{'; '.join(taken)}: whichever was installed last has overwritten files of the other",
            f"pip uninstall {packages}; pip install --force-reinstall --no-deps tunewise. "
            "To keep both, an environment of its own: uv tool install tunewise",
        )
    hiding = [] if folder.samefile(_OURS) else [path.name for path in _called_alike(folder)]
    if hiding:
        return Check(
            "import names",
            "warning",
            f"{', '.join(hiding)} in this folder: scripts, notebooks and 'python -m' find that instead of ours",
            "give it another name; the command 'tunewise' itself is not affected",
        )
    return Check("import names", "ok", f"{', '.join(NAMES)} are ours, in {_OURS}")


def _called_alike(folder: Path) -> list[Path]:
    places = [folder / name for name in NAMES] + [folder / f"{name}.py" for name in NAMES]
    return [path for path in places if path.is_file() or (path / "__init__.py").is_file()]
