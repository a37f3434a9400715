"""What a refused launch leaves at a provider, and how a person gets rid of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from advisor.cli import render

if TYPE_CHECKING:
    from advisor.runs import Ledger
    from backends import Backend


def offer_deletion(ledger: Ledger, run: str, backend: Backend, error: Exception) -> None:
    """Say what a refused launch left there; where no later launch can use it, offer to delete it."""
    import backends
    from advisor.runs import delete_uploads, view

    left = view(ledger.get(run))
    if left.status != "failed" or left.job_id is not None or not left.uploads:
        return
    files = ", ".join(left.uploads)
    render.note(f"What was uploaded is still at {left.backend}: {files}.")
    if isinstance(error, backends.AccessClosed) and render.is_terminal():
        render.note(str(error))
        if render.confirm("Delete it there?", err=True):
            delete_uploads(ledger, run, backend)
            render.note(f"Deleted {files}.")
            return
    render.note(f"'tunewise cancel {run} --delete-uploads' deletes it.")
