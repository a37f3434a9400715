"""Publishing a folder as a model of the hub: looked at first, then one commit, with the key that jobs use."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType

from backends._errors import SpecRefused
from backends.huggingface import HuggingFaceBackend
from backends.huggingface.connection import Line, endpoint


class Hub:
    """The models of an account. Raises from the BackendError tree."""

    def __init__(self) -> None:
        self._backend = HuggingFaceBackend()

    def __enter__(self) -> Hub:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._backend.close()

    def full_name(self, name: str) -> str:
        """Return OWNER/NAME; a name alone is of the key's own account. Raises SpecRefused where it can be none."""
        self._backend.client()  # which says what to install
        from huggingface_hub.errors import HFValidationError
        from huggingface_hub.utils import validate_repo_id

        if "/" not in name:
            name = f"{self._backend.account()}/{name}"
        try:
            validate_repo_id(name)
        except HFValidationError as error:
            raise SpecRefused(f"'{name}' is not a repository name: {error} Give OWNER/NAME.") from error
        return name

    def is_private(self, name: str) -> bool | None:
        """Tell whether the model's repository is private; None where there is none, or none that the key may see."""
        self._backend.client()
        from huggingface_hub.errors import RepositoryNotFoundError

        def look(line: Line) -> bool | None:
            try:
                return bool(line.sdk.model_info(name).private)
            except RepositoryNotFoundError:
                return None

        return self._backend.ask_sdk(look)

    def address(self, name: str) -> str:
        return f"{endpoint()}/{name}"

    def publish(self, folder: Path, name: str, *, private: bool, message: str) -> None:
        """Make the repository where there is none, and bring the folder's files in one commit."""
        size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
        self._backend.ask_sdk(lambda line: line.sdk.create_repo(name, private=private, exist_ok=True))
        self._backend.ask_sdk(
            lambda line: line.sdk.upload_folder(folder_path=folder, repo_id=name, commit_message=message),
            within_s=self._backend.upload_s(size),
        )
