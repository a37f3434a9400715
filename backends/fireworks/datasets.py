"""Datasets at Fireworks: named by their content, sent in one request or by a signed address, checked by the server."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from backends._base import Json
from backends._errors import FileRejected, ProviderUnavailable
from backends._files import content_hash
from backends._refusals import About
from backends._replies import content
from backends.fireworks.names import dataset_id
from backends.fireworks.replies import Status, addresses

if TYPE_CHECKING:
    import httpx

    from backends.fireworks.account import Account

MOST_IN_ONE_REQUEST = 150_000_000  # the SDK's own note on :upload; more goes to a signed address
_WAITS_S = (1, 2, 3, 5, *[10] * 180)  # half an hour, as long as a large file may take


def upload(backend: Account, path: Path) -> str:
    """Return the id of the dataset with the content of ``path``, ready to be trained on."""
    name = dataset_id(content_hash(path))
    state = _state(backend, name)
    if state is None:
        _create(backend, name, path)
    if state != "READY":
        _send(backend, name, path)
    _wait_until_ready(backend, name)
    return name


def stored_bytes(backend: Account, name: str) -> int | None:
    """Return the size of what lies there, asked of the store for one byte; None where the store does not say."""
    if _state(backend, name) is None:
        raise FileRejected(f"Fireworks has no dataset {name} any more; launch again to upload it.")
    line, path = backend.client(), backend.path("datasets", name)
    found = backend.ask(lambda: line.get(f"{path}:getDownloadEndpoint"), addresses)
    sizes = [
        backend.ask(
            lambda address=address: line.stored("GET", address, headers={"range": "bytes=0-0"}),  # type: ignore[misc]
            _whole_size,
        )
        for address in found.values()
    ]
    known = [size for size in sizes if size is not None]
    return sum(known) if known and len(known) == len(sizes) else None


def delete(backend: Account, name: str) -> None:
    line, path = backend.client(), backend.path("datasets", name)
    backend.ask(lambda: line.delete(path), about=About.FILE)


def _whole_size(reply: httpx.Response) -> int | None:
    """Read the size of the whole from the answer to a request for its first byte."""
    total = reply.headers.get("content-range", "").rpartition("/")[2]
    return int(total) if reply.status_code == 206 and total.isdecimal() else None


def _state(backend: Account, name: str) -> str | None:
    """Return the dataset's state, None when there is no such dataset. Raises FileRejected with the server's words."""
    line, path = backend.client(), backend.path("datasets", name)
    try:
        found = backend.ask(lambda: line.get(path), content, about=About.FILE)
    except FileRejected:
        return None
    problem = Status.of(found.get("status")).problem
    if problem:
        delete(backend, name)  # the id is the content: it would be refused for ever
        raise FileRejected(f"Fireworks refused the file: {problem}. Correct it and launch again.")
    return str(found.get("state"))


def _create(backend: Account, name: str, path: Path) -> None:
    """Make the empty dataset; one that exists by now is the same content's, from a request whose reply was lost."""
    line, where = backend.client(), backend.path("datasets")
    with path.open("rb") as lines:
        count = sum(1 for row in lines if row.strip())
    about: dict[str, Json] = {"exampleCount": str(count), "userUploaded": {}, "format": "CHAT"}
    try:
        backend.ask(lambda: line.post(where, {"datasetId": name, "dataset": about}), about=About.FILE, again=False)
    except ProviderUnavailable:
        if _state(backend, name) is None:
            raise


def _send(backend: Account, name: str, path: Path) -> None:
    line, where, size = backend.client(), backend.path("datasets", name), path.stat().st_size
    most_s = backend.upload_s(size)
    if size <= MOST_IN_ONE_REQUEST:
        raw = line.sdk.datasets.with_raw_response
        with path.open("rb") as rows:
            form = (path.name, rows, "application/jsonl")
            backend.ask(
                lambda: raw.upload(name, account_id=backend.account(), file=form),
                about=About.FILE,
                again=False,  # the stream has been read
                within_s=most_s,
            )
        return
    named = backend.ask(
        lambda: line.post(f"{where}:getUploadEndpoint", {"filenameToSize": {path.name: str(size)}}),
        addresses,
        about=About.FILE,
    )
    if path.name not in named:
        raise ProviderUnavailable("Fireworks named no address to upload to. Nothing was spent; try again.")
    # The SDK's own helper takes no address but https; the store refuses any other length than the one announced.
    headers = {
        "content-type": "application/octet-stream",
        "x-goog-content-length-range": f"{size},{size}",
        "content-length": str(size),
    }
    with path.open("rb") as rows:
        backend.ask(
            lambda: line.stored("PUT", named[path.name], content=rows, headers=headers),
            about=About.FILE,
            again=False,
            within_s=most_s,
        )
    backend.ask(lambda: line.post(f"{where}:validateUpload", {}), about=About.FILE)


def _wait_until_ready(backend: Account, name: str) -> None:
    for wait in _WAITS_S:
        if _state(backend, name) == "READY":
            return
        backend.sleep(wait)
    raise ProviderUnavailable("Fireworks has been reading the file for half an hour. Launch again later.")
