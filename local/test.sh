#!/usr/bin/env bash
# Installs what the tests need, checks lint, format, spelling, floors, types and shell,
# then runs the tests.
# Exit status 1 if any of these fails.
#
#   ./local/test.sh [PYTEST ARGUMENTS]            for example ./local/test.sh -k specaug
#   ./local/test.sh --quick [PYTEST ARGUMENTS]    the checks and the light tests alone
#
# They need Python 3.12 or 3.13 and 7 GB of disk for .venv (2 GB with PyTorch's CPU
# build, see local/env.sh). The tests of the pages drive Chromium, which is installed
# where there is none, and are skipped where that fails. Tests on real speech need
# ESPNET_SENTIMENT_TEST_DATA, a folder that holds data/emodb (EmoDB) and
# models/whisper-base (from Hugging Face), and are skipped without it.
#
# Time on two cores of an AMD EPYC:
#   --quick                   1 min 32 s, idle
#   all without real data     11 min, beside another job
#   all with real data        29 min, beside another job, in a fresh clone with its
#                             installation
#
# As many processes run tests as there are cores, up to four, each with about 3 GB of
# memory. Choose another number by -n; `-n 0` takes one process, as --pdb needs.
# A test that hangs fails after ten minutes, with the stacks of its threads.
# `pytest` alone, in .venv, works too. Markers choose tests, for example
# -m "not recipe and not browser"; `pytest --markers` explains them.
[ "${BASH_VERSION-}" ] || exec bash "$0" "$@" # by `sh test.sh`
set -euo pipefail
unset CDPATH # by which cd goes elsewhere

if [[ ${1-} == -h || ${1-} == --help ]]; then
  sed -n '2,/^set /s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"
  exit 0
fi
quick=
if [[ ${1-} == --quick ]]; then
  quick=yes
  shift
fi
cd "$(dirname "${BASH_SOURCE[0]}")/.."
./local/env.sh test
export PATH=$PWD/.venv/bin:$PATH
# Images of containers set it. Each of the hundred processes that the tests start would
# compile PyTorch and ESPnet again, 10 s of work.
unset PYTHONDONTWRITEBYTECODE
# Threads that spin while they wait slow down the other process and what it starts.
export OMP_WAIT_POLICY=${OMP_WAIT_POLICY:-passive}

failed=()
check() {
  local name=$1
  shift
  echo "[test] $name"
  "$@" || failed+=("$name")
}

check "ruff check" ruff check .
check "ruff format" ruff format --check .
check codespell codespell
check "lint-imports (the floors of the house)" lint-imports
check mypy mypy
check shellcheck find . \( -name .venv -o -name .git -o -name downloads \) -prune -o \
  -type f \( -name '*.sh' -o -path ./.ci/run \) -exec shellcheck -x -P SCRIPTDIR {} +

cores=$(python -c 'import os
print(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count())')
# A file's tests share what it trains, so they stay in one process.
options=(-n "$((cores < 4 ? cores : 4))" --dist loadfile --no-loadscope-reorder)
if [[ $quick ]]; then
  options+=(-m quick)
else
  ./local/browser.sh
fi
check pytest pytest "${options[@]}" "$@"

if ((${#failed[@]})); then
  printf '[test] failed: %s\n' "${failed[@]}" >&2
  exit 1
fi
