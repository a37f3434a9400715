"""A provider is one place: nothing in advisor/ knows one by its name but its data files."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import grimp

import backends

ROOT = Path(__file__).parent.parent
PROVIDERS = (*(name for name in backends.names() if name not in ("local", "memorise")), "tinker")
# Readers of public price lists, each of a format of its own; the bill and the vocabulary that are OpenAI's own; the
# package openai, by which any endpoint that speaks its protocol is asked; and the cache of the hub of models.
EXEMPT = ("pricing/feeds.py", "tokens/_billing.py", "runs/serving/commands.py", "runs/serving/endpoint.py")
HUB = ("~/.cache/huggingface", "https://huggingface.co")


def test_no_string_of_the_thinking_names_a_provider() -> None:
    named = re.compile(rf"(?<![\w-])({'|'.join(PROVIDERS)})(?![\w-])", re.IGNORECASE)
    found = [
        f"{path.relative_to(ROOT)}:{line}: {text}"
        for path in sorted((ROOT / "advisor").rglob("*.py"))
        if not str(path).endswith(EXEMPT) and path.name != "prices.py"  # whose help names the feeds
        for line, text in strings(path)
        for name in named.findall(text)
        if text not in HUB and (name.lower() != "together" or text == name)  # the word, in a sentence
    ]
    assert not found, "\n".join(found)


def test_no_file_imports_itself_in_a_circle() -> None:
    graph = grimp.build_graph("advisor", "backends", "tunewise", cache_dir=None)
    left = {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}
    while free := [module for module, imported in left.items() if not imported & left.keys()]:
        for module in free:
            del left[module]
    assert not left, sorted(left)


def test_no_module_is_longer_than_a_few_screens() -> None:
    lengths = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in code()}
    assert not {str(path.relative_to(ROOT)): lines for path, lines in lengths.items() if lines > 320}


def code() -> Iterator[Path]:
    for package in ("advisor", "backends", "tunewise"):
        yield from (ROOT / package).rglob("*.py")


def strings(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the strings of a module that are no docstrings."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    bodies = (node.body for node in ast.walk(tree) if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef))
    docs = {id(body[0].value) for body in bodies if body and isinstance(body[0], ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docs:
            yield node.lineno, node.value
