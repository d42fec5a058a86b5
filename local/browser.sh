#!/usr/bin/env bash
# Finds a Chromium for the tests of the pages, or installs one: Playwright's own or, as root
# on Debian, the distribution's package. Without one, those tests are skipped.
#
#   local/browser.sh    in an environment with Playwright, whose bin/ comes first on PATH
[ "${BASH_VERSION-}" ] || exec bash "$0" "$@" # by `sh browser.sh`
set -euo pipefail
unset CDPATH # by which cd goes elsewhere

if [[ ${1-} == -h || ${1-} == --help ]]; then
  sed -n '2,/^set /s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"
  exit 0
fi
cd "$(dirname "${BASH_SOURCE[0]}")/.."
log=$PWD/.venv/browser.log

say() { echo "[browser] $*"; }

starts() { python tests/browser_fixture.py &>>"$log"; }

from_debian() {
  ((EUID == 0)) && command -v apt-get || return
  export DEBIAN_FRONTEND=noninteractive
  apt-get update && apt-get install --yes --no-install-recommends chromium
}

if starts; then exit; fi
say "installing Chromium for the tests of the pages (its progress: $log)"
if timeout 300 python -m playwright install --only-shell chromium &>>"$log" && starts; then exit; fi
if from_debian &>>"$log" && starts; then exit; fi
say "no Chromium could be installed: the tests of the pages will be skipped"
