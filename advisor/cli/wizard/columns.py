"""Which column of a table is which: asked for, then the rows are written anew as every command reads them."""

from __future__ import annotations

import itertools
import shlex
from pathlib import Path

from advisor.cli.wizard.prompt import choose, say
from advisor.dataset import Dataset, UnknownFields, fix
from advisor.errors import AdvisorError
from advisor.paths import home


def with_columns_named(paths: tuple[str, ...], unknown: UnknownFields) -> str:
    """Ask which column is which and write the rows anew, as the command shown does; return the new file."""
    columns = [(name, f"such as {' '.join(str(value).split())[:40]}") for name, value in unknown.row.items()]
    prompt = choose(
        "Which column holds the question?", columns, reason="What the model is given.", default=columns[0][0]
    )
    others = [column for column in columns if column[0] != prompt]
    if not others:
        raise AdvisorError(f"{paths[0]}: there is one column alone; an answer to learn from has to be in another.")
    reason = "What the model shall say."
    completion = choose("Which column holds the answer?", others, reason=reason, default=others[-1][0])
    folder = home() / "wizard"  # nobody asked for a file beside the data
    out = str(unused(folder / f"{Path(paths[0]).name.split('.')[0]}-chat.jsonl"))
    named = {"prompt": prompt, "completion": completion}
    mapped = ",".join(f"{field}={name}" for field, name in named.items())
    answer = choose(
        "Write the rows anew under the names every command reads?",
        (("yes", f"to {out}"), ("no", "then give another file")),
        reason="Your own file stays as it is.",
        default="yes",
    )
    if answer == "no":
        raise AdvisorError("Nothing was written.")
    folder.mkdir(exist_ok=True, mode=0o700)
    say(f"$ tunewise check {shlex.join((*paths, '--columns', mapped, '--fix', out))}", indent=0)
    fix(Dataset.open(*paths, columns=named), Path(out))
    return out


def unused(path: Path) -> Path:
    """Return ``path``, or its first numbered sibling that does not exist: what lies there is not for us to replace."""
    numbered = (path.with_stem(f"{path.stem}-{number}") for number in itertools.count(2))
    return path if not path.exists() else next(one for one in numbered if not one.exists())
