"""Files at a host of OpenAI's protocol: named by their content, so that each is uploaded once; large ones in parts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from backends._errors import FileRejected, ProviderUnavailable
from backends._files import content_hash
from backends._hosted import Hosted
from backends._refusals import About
from backends._replies import Unreadable, content, count, rows

if TYPE_CHECKING:
    from openai import OpenAI

_SINGLE_UPLOAD_BYTES = 512_000_000  # POST /files takes 512 MB; larger files go through /uploads
_PART_BYTES = 64_000_000


def stored_name(path: Path) -> str:
    """Return the name a file gets at the provider: it carries the content's hash, so that it is found again."""
    return f"tunewise-{content_hash(path)[:32]}.jsonl"


def file_id(reply: Any) -> str:
    """Return the id in a reply about a file. Raises Unreadable."""
    found = content(reply).get("id")
    if not isinstance(found, str) or not found:
        raise Unreadable("a file without an id")
    return found


def upload(backend: Hosted[OpenAI], path: Path) -> str:
    """Return the id of ``path`` at the provider, uploading it unless a file of that name and size lies there."""
    client, name, size = backend.client(), stored_name(path), path.stat().st_size
    files = client.files.with_raw_response
    try:
        for row in backend.pages(
            lambda at: files.list(purpose="fine-tune", **({"after": at} if at else {})), _page, about=About.FILE
        ):
            if row.get("filename") == name and count(row.get("bytes")) == size and row.get("status") != "error":
                return str(row["id"])
    except ProviderUnavailable:
        pass  # a list that cannot be read only costs another upload
    if size > _SINGLE_UPLOAD_BYTES:
        return _in_parts(backend, path, name, size)

    def send() -> Any:
        with path.open("rb") as stream:
            return files.create(file=(name, stream), purpose="fine-tune")

    return backend.ask(send, file_id, about=About.FILE, within_s=backend.upload_s(size))


def _page(reply: Any) -> tuple[list[dict[str, object]], str | None]:
    page = content(reply)
    found = [row for row in rows(page) if isinstance(row.get("id"), str)]
    return found, str(found[-1]["id"]) if found and page.get("has_more") is True else None


def _in_parts(backend: Hosted[OpenAI], path: Path, name: str, size: int) -> str:
    uploads = backend.client().uploads
    begun = backend.ask(
        lambda: uploads.with_raw_response.create(
            bytes=size, filename=name, mime_type="text/jsonl", purpose="fine-tune"
        ),
        file_id,
        about=About.FILE,
    )

    def sent(part: bytes) -> str:
        return backend.ask(
            lambda: uploads.parts.with_raw_response.create(begun, data=part),
            file_id,
            about=About.FILE,
            within_s=backend.upload_s(len(part)),
        )

    with path.open("rb") as stream:
        parts = [sent(part) for part in iter(lambda: stream.read(_PART_BYTES), b"")]
    done = backend.ask(
        lambda: uploads.with_raw_response.complete(begun, part_ids=parts),
        lambda reply: content(reply).get("file"),
        about=About.FILE,
    )
    if not isinstance(done, dict) or not isinstance(done.get("id"), str):
        raise FileRejected(f"The upload of {path} was completed without a file; try again.")
    return str(done["id"])
