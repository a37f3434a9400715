"""Files at Together: uploaded once per content and validated there; trained weights are fetched and unpacked."""

from __future__ import annotations

import tarfile
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from backends._errors import (
    AuthenticationFailed,
    BackendError,
    BackendMissing,
    FileRejected,
    FundsMissing,
    ProviderUnavailable,
)
from backends._hosted import DOWNLOAD_S, Hosted
from backends._install import install_extra
from backends._refusals import About, RightMissing
from backends._replies import Unreadable, content, stumbling

if TYPE_CHECKING:
    from together import Together

_VALIDATION_WAITS_S = (1, 2, 3, 5, *[10] * 180)  # half an hour, as long as a large file may take
_ASK_AGAIN_AFTER = 4  # looks at a file that nobody validates before validation is asked for once more


def upload(backend: Hosted[Together], path: Path) -> str:
    """Return the id of ``path`` at the provider, which answers with the one it has when it knows the content."""
    # It says so by a 409, which the SDK would retry for three seconds if it retried.
    files = backend.client().files

    def send() -> Any:
        with stumbling("no file"):
            return files.upload(path, purpose="fine-tune", check=False)

    def file_id(stored: Any) -> str:
        if not isinstance(stored.id, str) or not stored.id:
            raise Unreadable("a file without an id")
        return stored.id

    try:
        return backend.ask(
            send,
            file_id,
            about=About.FILE,
            within_s=backend.upload_s(path.stat().st_size),
        )
    except RightMissing:
        raise
    except AuthenticationFailed as error:
        # ``find`` was just answered with the same key, so it is not the key.
        raise FundsMissing(
            "Together takes no uploads from this account: its free credit is used up. Add credit."
        ) from error


def wait_until_valid(backend: Hosted[Together], name: str) -> None:
    """Wait for the server's own validation, which starts after the upload. Raises FileRejected with its words."""
    client = backend.client()
    files = client.files.with_raw_response
    for look, wait in enumerate(_VALIDATION_WAITS_S):
        stored = backend.ask(lambda: files.retrieve(name), content, about=About.FILE)
        status, report = stored.get("processing_status"), stored.get("validation_report")
        if status in (None, "COMPLETED"):
            return
        if status in ("INVALID_FORMAT", "FAILED"):
            said = (report.get("error") if isinstance(report, dict) else None) or status
            raise FileRejected(f"Together refused the file: {said}. Correct it and launch again.")
        if status == "PENDING" and look == _ASK_AGAIN_AFTER:
            # An upload whose last step was lost is never looked at otherwise.
            backend.ask(lambda: client.post(f"/v1/files/{name}/preprocess", cast_to=object), about=About.FILE)
        backend.sleep(wait)
    raise ProviderUnavailable("Together has been validating the file for half an hour. Launch again later.")


def download(backend: Hosted[Together], job_id: str, folder: Path, checkpoint: str) -> Path:
    """Fetch what a job trained, a packed archive, and unpack it into ``folder``.

    Raises BackendMissing, before anything is fetched, where the package is not installed that unpacks it.
    """
    import together

    try:
        import zstandard  # noqa: F401
    except ModuleNotFoundError:
        raise BackendMissing(
            f"Together packs its weights by zstandard; to unpack them: {install_extra('together')}"
        ) from None

    client = backend.client()
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as aside:
        archive = Path(aside) / "weights.tar.zst"

        def fetch() -> None:
            # The weights lie in another's store: their address is followed there, which the key is not sent to.
            with together.DefaultHttpxClient(timeout=backend.patience_s) as follows:
                tunes = client.with_options(http_client=follows).fine_tuning.with_streaming_response
                with tunes.content(ft_id=job_id, checkpoint=checkpoint) as reply:
                    reply.stream_to_file(archive)

        backend.ask(fetch, about=About.JOB, within_s=DOWNLOAD_S)
        _unpack(archive, folder)
    return folder


def _unpack(archive: Path, folder: Path) -> None:
    import zstandard

    try:
        with (
            archive.open("rb") as packed,
            zstandard.ZstdDecompressor().stream_reader(packed) as plain,
            tarfile.open(fileobj=plain, mode="r|") as files,
        ):
            files.extractall(folder, filter="data")
    except (zstandard.ZstdError, tarfile.TarError) as error:
        raise BackendError(f"The weights did not arrive from Together in full ({error}); try again.") from error
