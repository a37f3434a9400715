"""The server for agents, asked by the SDK's own client over stdin and stdout."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("mcp", reason="the SDK of the Model Context Protocol is not installed: .[mcp]")

from mcp import ClientSession, StdioServerParameters
from mcp.client.stdio import stdio_client

ROOT = Path(__file__).parent.parent
WORK = {"requests_per_month": 20_000, "measured": {"prompt": 0.7}}
CALLS: list[tuple[str, dict[str, Any]]] = [
    ("check", {"data": ["intents_small.jsonl"]}),
    ("plan", {"data": ["intents_small.jsonl"], "workload": WORK}),
    ("budget", {"limit_usd": 500, "data": ["intents_small.jsonl"], "workload": WORK}),
    ("fit", {"model": "Qwen/Qwen3-8B", "gpus": ["4090"], "method": "qlora"}),
    ("prices", {"provider": "together"}),
    ("jobs", {}),
    ("check", {"data": ["../README.md"]}),
    ("check", {"data": ["/etc/passwd"]}),
    ("receipt", {"run": "tw-none"}),
]


def test_its_tools_answer_with_typed_values_and_read_nothing_outside_their_folder(home: Path) -> None:
    tools, answers = asyncio.run(_asked())
    assert {tool.name for tool in tools} == {"check", "plan", "budget", "fit", "prices", "jobs", "receipt"}
    assert all(tool.annotations.read_only_hint and tool.output_schema for tool in tools)
    good = [answer.structured_content for answer in answers[:6] if not answer.is_error]
    assert len(good) == 6, [answer.content for answer in answers if answer.is_error]
    checked, planned, budgeted, fitted, priced, jobs = good
    assert checked["examples"] > 0 and checked["tokens"]["o200k_base"] > 0
    assert planned["recommendation"]["model"] and planned["next_step"].startswith("tunewise ")
    assert budgeted["plan"] and budgeted["verdict"].startswith(("Yes", "Likely"))
    assert fitted["rows"][0]["gpu"] == "rtx-4090" and fitted["rows"][0]["fits"] in ("yes", "tight", "no")
    assert all(row["source"] for row in priced["rows"]) and jobs == {"rows": []}
    for refused, why in zip(answers[6:], ("not inside a folder", "not inside a folder", "tw-none"), strict=True):
        assert refused.is_error and why in str(refused.content)
    assert not list((home / "runs").glob("*"))


async def _asked() -> tuple[Any, list[Any]]:
    started = StdioServerParameters(
        command=sys.executable, args=["-m", "advisor", "mcp", "--root", str(ROOT / "examples")],
        env={**os.environ, "PYTHONPATH": str(ROOT)}, cwd=ROOT / "examples",
    )  # fmt: skip
    async with stdio_client(started) as streams, ClientSession(*streams) as session:
        await session.initialize()
        tools = (await session.list_tools()).tools
        return tools, [await session.call_tool(name, arguments) for name, arguments in CALLS]
