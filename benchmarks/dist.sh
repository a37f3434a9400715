#!/usr/bin/env bash
# What a stranger gets: sdist and wheel are built from the last commit and tried in fresh environments.
#   bash benchmarks/dist.sh          SDIST_TESTS=no leaves out the longest part
# Needs git and the package registry. Ends with "dist: ok", or with the step that failed.
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
python=${PYTHON:-python3}
step() { echo "dist: $*" >&2; }
try() { (cd "$scratch/empty" && TUNEWISE_HOME="$scratch/home" "$@"); }  # where no file of ours is in the way

step "build sdist and wheel"
mkdir "$scratch/src" "$scratch/empty"
git archive HEAD | tar -x -C "$scratch/src"
"$python" -m venv "$scratch/tools"
"$scratch/tools/bin/pip" install --quiet build twine uv pipx
"$scratch/tools/bin/python" -m build --outdir "$scratch/dist" "$scratch/src" >/dev/null
"$scratch/tools/bin/twine" check --strict "$scratch"/dist/*
wheel=$(ls "$scratch"/dist/*.whl) sdist=$(ls "$scratch"/dist/*.tar.gz)
"$python" - "$wheel" <<'CHECK'
import sys, zipfile
names = zipfile.ZipFile(sys.argv[1]).namelist()
tops = {name.split("/")[0] for name in names if ".dist-info" not in name}
assert tops == {"advisor", "backends", "tunewise"}, tops
assert "advisor/pricing.yaml" in names and "advisor/py.typed" in names
CHECK

step "the wheel in an environment of its own"
"$python" -m venv "$scratch/wheel"
"$scratch/wheel/bin/pip" install --quiet "$wheel"
cp "$scratch/src/examples/intents_small.jsonl" "$scratch/empty/train.jsonl"
try "$scratch/wheel/bin/tunewise" check train.jsonl --json >/dev/null
try "$scratch/wheel/bin/tunewise" plan train.jsonl --out plan.yaml --json >/dev/null
try "$scratch/wheel/bin/tunewise" report plan.yaml --md plan.md --html plan.html
try "$scratch/wheel/bin/python" -c "import advisor, backends, tunewise; assert tunewise.recommend is advisor.recommend"
try "$scratch/wheel/bin/tunewise" doctor --offline --json |
  "$python" -c 'import json, sys; found = {c["name"]: c for c in json.load(sys.stdin)["checks"]}
assert found["import names"]["status"] == "ok", found["import names"]'

step "uvx and pipx"
try "$scratch/tools/bin/uvx" --quiet --python "$python" --from "$wheel" tunewise --version
try env PIPX_HOME="$scratch/pipx" "$scratch/tools/bin/pipx" run --quiet --spec "$wheel" tunewise --version

step "the action's installation"
mkdir "$scratch/runner"
"$scratch/tools/bin/pip" install --quiet pyyaml
install_step=$("$scratch/tools/bin/python" -c 'import sys, yaml; print(yaml.safe_load(open(sys.argv[1]))["runs"]["steps"][0]["run"])' action.yml)
RUNNER_TEMP="$scratch/runner" GITHUB_ACTION_PATH="$scratch/src" INPUT_PYTHON="$python" bash -eo pipefail -c "$install_step"
try "$scratch/runner/tunewise/bin/tunewise" --version

box="$scratch/box"
mkdir -p "$box/opt"
cp -r "$scratch/src" "$box/src"
image() { # the lines of the Dockerfile it is made of; runs their commands in the box
  grep -v '^useradd' | sed "s#/\(src\|wheels\|opt\)\b#$box/\1#g; s#^python#$python#" | PIP_QUIET=1 bash -e
}
step "what the Dockerfile runs for its core image"
sed -n '/ AS local/q; s/^RUN //p' Dockerfile | image
try "$box/opt/tunewise/bin/tunewise" prices list --provider together >/dev/null

step "what it runs for its local image"
"$box/opt/tunewise/bin/pip" install --quiet 'torch==2.13.0' numpy # first, so that no gigabytes for GPUs arrive
sed -n '/ AS local/,$ s/^RUN //p' Dockerfile | image
try "$box/opt/tunewise/bin/tunewise" launch train.jsonl --backend local --model tiny --epochs 1 --yes --watch >/dev/null

if [ "${SDIST_TESTS:-yes}" = yes ]; then
  step "the tests of the sdist that need no torch"
  mkdir "$scratch/unpacked"
  tar -xf "$sdist" --strip-components=1 -C "$scratch/unpacked"
  (cd "$scratch/unpacked" && RESOLUTIONS=highest bash benchmarks/versions.sh "$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')")
fi
step "ok"
