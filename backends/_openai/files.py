"""Files at a host of OpenAI's protocol: named by their content, so that each is uploaded once; large ones in parts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from backends._errors import SpecRefused
from backends._files import content_hash

if TYPE_CHECKING:
    from openai import OpenAI

_SINGLE_UPLOAD_BYTES = 512_000_000  # POST /files takes 512 MB; larger files go through /uploads
_PART_BYTES = 64_000_000


def stored_name(path: Path) -> str:
    """Return the name a file gets at the provider: it carries the content's hash, so that it is found again."""
    return f"tunewise-{content_hash(path)[:32]}.jsonl"


def upload(client: OpenAI, path: Path) -> str:
    """Return the id of ``path`` at the provider, uploading it unless a file of that name and size lies there."""
    name, size = stored_name(path), path.stat().st_size
    for stored in client.files.list(purpose="fine-tune"):
        if stored.filename == name and stored.bytes == size and stored.status != "error":
            return str(stored.id)
    if size > _SINGLE_UPLOAD_BYTES:
        return _in_parts(client, path, name, size)
    with path.open("rb") as stream:
        return str(client.files.create(file=(name, stream), purpose="fine-tune").id)


def _in_parts(client: OpenAI, path: Path, name: str, size: int) -> str:
    begun = client.uploads.create(bytes=size, filename=name, mime_type="text/jsonl", purpose="fine-tune")
    with path.open("rb") as stream:
        parts = [
            client.uploads.parts.create(begun.id, data=part).id for part in iter(lambda: stream.read(_PART_BYTES), b"")
        ]
    done = client.uploads.complete(begun.id, part_ids=parts)
    if done.file is None:
        raise SpecRefused(f"The upload of {path} was completed without a file; try again.")
    return str(done.file.id)
