#!/usr/bin/env bash
# Builds the site in docs/_build/html, without network; a warning fails.
#
#   ./local/docs.sh [OPTIONS OF sphinx-build]
[ "${BASH_VERSION-}" ] || exec bash "$0" "$@" # by `sh docs.sh`
set -euo pipefail
unset CDPATH # by which cd goes elsewhere

if [[ ${1-} == -h || ${1-} == --help ]]; then
  sed -n '2,/^set /s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"
  exit 0
fi
cd "$(dirname "${BASH_SOURCE[0]}")/.."
./local/env.sh docs
exec .venv/bin/sphinx-build -W --keep-going -q -b html "$@" docs docs/_build/html
