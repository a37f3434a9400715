#!/usr/bin/env bash
# The tests that need no torch, on each Python we name, with the lowest and the newest dependencies our metadata allows.
#   bash benchmarks/versions.sh [3.11 3.12 3.13]
# Prints one JSON document. Needs the Pythons, and the package registry; RESOLUTIONS="lowest-direct" runs one half.
set -euo pipefail
cd "$(dirname "$0")/.."
read -ra pythons <<<"${*:-3.11 3.12 3.13}"
read -ra resolutions <<<"${RESOLUTIONS:-lowest-direct highest}"
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
python3 -m venv "$scratch/tools"
"$scratch/tools/bin/python" -m pip install --quiet uv
uv="$scratch/tools/bin/uv"
# Whatever trains is left out by what its test names: the versions of torch and its kin are pinned together in [local].
mapfile -t tests < <(grep -LE 'torch|transformers|peft|safetensors|tokenizers|test_local|test_export|"local"|tiny|gguf' tests/test_*.py)
rows=()
for python in "${pythons[@]}"; do
  for resolution in "${resolutions[@]}"; do
    place="$scratch/$python-$resolution"
    "$uv" venv --quiet --python "$python" "$place"
    "$uv" pip install --quiet --python "$place" --resolution "$resolution" --editable '.[formats,hosted,baseline,notify,mcp,test]'
    "$uv" pip freeze --python "$place" >&2
    code=0
    "$place/bin/python" -m pytest -q -p no:cacheprovider --tb=short "${tests[@]}" >"$place/said" 2>&1 || code=$?
    tail -40 "$place/said" >&2
    rows+=("{\"python\": \"$("$place/bin/python" -V | cut -d' ' -f2)\", \"resolution\": \"$resolution\", \"exit\": $code, \"said\": \"$(tail -1 "$place/said")\"}")
  done
done
printf '{"files": %d, "rows": [\n%s\n]}\n' "${#tests[@]}" "$(IFS=,; echo "${rows[*]}" | sed 's/},{/},\n{/g')"
