"""What a missing package is brought by: the command that fits how this copy was installed."""

from __future__ import annotations

import json
import sys
from email.message import Message
from importlib.metadata import Distribution
from pathlib import Path

import pytest

from backends import install_extra, install_package, reinstall

PYTHON = sys.executable
PIPX = {"main_package": {"package": "tunewise", "package_or_url": "/src/tunewise[keys]", "pip_args": []}}
RECEIPT = """[tool]
requirements = [{{ name = "tunewise", extras = ["keys"], {source} }}, {{ name = "boto3", specifier = ">=1.44" }}]
"""


class Fake(Distribution):
    """A distribution that holds these files and nothing else."""

    def __init__(self, **files: str) -> None:
        self.files_by_name = files

    def read_text(self, filename: str) -> str | None:
        return self.files_by_name.get(filename.removesuffix(".json"))

    def locate_file(self, path: object) -> Path:
        return Path(str(path))

    @property
    def metadata(self) -> Message:  # type: ignore[override]
        return Message()


@pytest.fixture
def prefix(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize(
    ("installer", "origin", "command"),
    [
        ("pip", None, "'tunewise[local]'"),
        ("pip", {"url": "file:///src/tune%20wise", "dir_info": {"editable": True}}, "-e '/src/tune wise[local]'"),
        ("pip", {"url": "file:///src/tunewise", "dir_info": {}}, "'/src/tunewise[local]'"),
        (
            "pip",
            {"url": "https://example.com/t", "vcs_info": {"vcs": "git", "commit_id": "c0ffee"}},
            "'tunewise[local] @ git+https://example.com/t@c0ffee'",
        ),
        (
            "pip",
            {"url": "https://example.com/t.whl", "archive_info": {}},
            "'tunewise[local] @ https://example.com/t.whl'",
        ),
        ("uv", {"url": "file:///src/tunewise", "dir_info": {"editable": True}}, "-e '/src/tunewise[local]'"),
    ],
)
def test_in_an_environment_it_is_its_own_pip_and_the_same_source(
    monkeypatch: pytest.MonkeyPatch, prefix: Path, installer: str, origin: object, command: str
) -> None:
    files = {"INSTALLER": f"{installer}\n"} | ({"direct_url": json.dumps(origin)} if origin else {})
    monkeypatch.setattr("importlib.metadata.distribution", lambda name: Fake(**files))
    monkeypatch.setattr("shutil.which", lambda name: f"/elsewhere/{name}")
    pip = f"uv pip install --python {PYTHON}" if installer == "uv" else f"{PYTHON} -m pip install"
    assert install_extra("local") == f"{pip} {command}"
    assert install_package("six") == f"{pip} six"
    assert reinstall("six") == f"{pip} --force-reinstall six"
    monkeypatch.setattr("shutil.which", lambda name: str(Path(PYTHON).with_name(name)))
    if installer == "pip":  # the one that a shell would take is that of this environment
        assert install_extra("local") == f"pip install {command}"


def test_a_clone_that_one_stands_in_is_a_dot(monkeypatch: pytest.MonkeyPatch, prefix: Path) -> None:
    origin = {"url": Path.cwd().as_uri(), "dir_info": {"editable": True}}
    monkeypatch.setattr("importlib.metadata.distribution", lambda name: Fake(direct_url=json.dumps(origin)))
    assert install_extra("local", "serve").endswith("install -e '.[local,serve]'")


def test_by_pipx_the_extras_there_stay(prefix: Path) -> None:
    (prefix / "pipx_metadata.json").write_text(json.dumps(PIPX), encoding="utf-8")
    assert install_extra("mcp") == "pipx install --force '/src/tunewise[keys,mcp]'"
    assert install_package("six") == "pipx inject tunewise six"
    assert reinstall("six") == "pipx reinstall tunewise"


@pytest.mark.parametrize(
    ("source", "command"),
    [
        ('directory = "/src/t"', "uv tool install '/src/t[keys,mcp]' --with 'boto3>=1.44'"),
        ('editable = "/src/t"', "uv tool install --editable '/src/t[keys,mcp]' --with 'boto3>=1.44'"),
        (
            'git = "https://example.com/t"',
            "uv tool install 'tunewise[keys,mcp] @ git+https://example.com/t' --with 'boto3>=1.44'",
        ),
        ('specifier = "==0.1.0"', "uv tool install 'tunewise[keys,mcp]==0.1.0' --with 'boto3>=1.44'"),
    ],
)
def test_by_uv_what_the_tool_was_given_stays(prefix: Path, source: str, command: str) -> None:
    (prefix / "uv-receipt.toml").write_text(RECEIPT.format(source=source), encoding="utf-8")
    assert install_extra("mcp") == command
    assert install_package("six").endswith("--with 'boto3>=1.44' --with six")
    assert "keys" in install_package("six")
    assert reinstall("six") == "uv tool upgrade --reinstall tunewise"
