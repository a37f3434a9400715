#!/usr/bin/env bash
# Everything a borrowed GPU is to show, in one command under eight minutes: an environment of its own from the package
# registry, the tests that skip without CUDA, then the measurements. Prints one JSON document, kept as gpu.json too.
#   benchmarks/gpu.sh          on a GPU
#   benchmarks/gpu.sh cpu      the same code on a small shape, to see every branch work
set -euo pipefail
cd "$(dirname "$0")/.."
device=${1:-cuda}
out=${OUT:-.}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
export TUNEWISE_HOME="$scratch/home" PIP_DISABLE_PIP_VERSION_CHECK=1
python=${PYTHON:-}
if [ -z "$python" ]; then
  python3 -m venv "$scratch/venv"
  python="$scratch/venv/bin/python"
  "$python" -m pip install --quiet --editable '.[qlora]' pytest pytest-socket 1>&2
fi
minutes=4
if [ "$device" = cpu ]; then minutes=60; fi # however slow the machine, every branch is taken
tests=$(timeout 120 "$python" -m pytest -q -m gpu tests/test_local_gpu.py | tee /dev/stderr | tail -1) ||
  tests="FAILED: $tests"
"$python" benchmarks/gpu.py --device "$device" --minutes "$minutes" > "$scratch/gpu.json"
"$python" - "$scratch/gpu.json" "$tests" > "$out/gpu.json" <<'PY'
import json, sys
found = json.load(open(sys.argv[1]))
print(json.dumps({"cuda_tests": sys.argv[2], **found}, indent=1))
PY
cat "$out/gpu.json"
