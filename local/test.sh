#!/usr/bin/env bash
# Installs what the tests need, checks lint, format and shell, then runs the tests.
# Exit status 1 if any of these fails.
#
#   ./local/test.sh [PYTEST ARGUMENTS]    for example ./local/test.sh -k specaug
set -euo pipefail

if [[ ${1-} == -h || ${1-} == --help ]]; then
  sed -n '2,/^set /s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"
  exit 0
fi
cd "$(dirname "${BASH_SOURCE[0]}")/.."
./local/env.sh test
export PATH=$PWD/.venv/bin:$PATH
./local/browser.sh

failed=()
check() {
  local name=$1
  shift
  echo "[test] $name"
  "$@" || failed+=("$name")
}

check "ruff check" ruff check .
check "ruff format" ruff format --check .
check shellcheck find . \( -name .venv -o -name .git -o -name downloads \) -prune -o \
  -type f \( -name '*.sh' -o -path ./.ci/run \) -exec shellcheck -x -P SCRIPTDIR {} +
check pytest pytest "$@"

if ((${#failed[@]})); then
  printf '[test] failed: %s\n' "${failed[@]}" >&2
  exit 1
fi
