"""The fault matrix of benchmarks/faults.py against one provider's emulator: one paid job, whatever happens."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from backend_cases import HOSTED

BENCHMARK = Path(__file__).parent.parent / "benchmarks" / "faults.py"
sys.path.append(str(BENCHMARK.parent))

from fault_trials import Emulated, trials  # noqa: E402


@pytest.mark.slow
def test_no_fault_makes_a_second_paid_job_or_loses_the_first() -> None:
    """One case of twenty, at every backend."""
    chosen = [part for case in HOSTED for part in ("--backend", case.name)]
    done = subprocess.run(
        [sys.executable, str(BENCHMARK), *chosen, "--every", "20"], capture_output=True, text=True, check=True
    )
    found = json.loads(done.stdout)
    print(f"{found['survived']} of {found['cases']} faults survived")
    assert found["by_backend"].keys() == {case.name for case in HOSTED}
    assert all(one["cases"] > 5 for one in found["by_backend"].values())
    assert found["not_survived"] == []
    assert found["survived"] == found["paid_jobs"] == found["expected_paid_jobs"] == found["cases"]


def test_the_cases_hold_every_kind_of_fault() -> None:
    case = HOSTED[0]
    place = Emulated(case, None, "")  # type: ignore[arg-type]
    named = {trial.name for trial in trials(place, [case.upload, case.create], 3)}
    redirects = [
        f"a redirect {status} {where} {when} at {case.create}"
        for status in (301, 302, 303, 307, 308)
        for where in ("to itself", "elsewhere")
        for when in ("before", "after")
    ]
    once = [f"{kind} at {case.create}" for kind in ("drip", "reset", "garble", "a list", "another object")]
    killed = ["killed before write 3", f"killed in {case.create}"]
    for kind in (*killed, *once, *redirects, f"half an upload at {case.upload}"):
        assert f"{case.name}: {kind}" in named
