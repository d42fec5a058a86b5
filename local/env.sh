#!/usr/bin/env bash
# Makes .venv in the repository root and installs espnet_sentiment there, editable.
# Does nothing if that is up to date; continues if it was interrupted.
#
#   local/env.sh [EXTRA]    with an extra of setup.cfg, such as test, or several: mini,cluster
#
# Environment variables:
#   PYTHON            the Python to make .venv with, if it is 3.12 or 3.13
#   UV_TORCH_BACKEND  the build of PyTorch, as uv names it. "cpu" takes PyTorch's own
#                     CPU build, which needs no CUDA packages; .venv remembers it. With
#                     another build, the old .venv stays until the new one is there.
# Package indexes and caches are those that uv and pip are configured for.
[ "${BASH_VERSION-}" ] || exec bash "$0" "$@" # by `sh env.sh`
set -euo pipefail
unset CDPATH # by which cd goes elsewhere

if [[ ${1-} == -h || ${1-} == --help ]]; then
  sed -n '2,/^set /s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"
  exit 0
fi
extra=${1-}
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. local/attend.sh
root=$(pwd -P)
venv=$root/.venv
old=$root/.venv.old # while one with another build of PyTorch is made
log=$venv/install.log
ready=$venv/.ready

# What .venv was made for: "PLACE|BUILD OF PYTORCH". Neither can change in place.
made_for=
if [[ -f $venv/.made_for ]]; then made_for=$(<"$venv/.made_for"); fi
backend=${UV_TORCH_BACKEND:-${made_for##*|}}
unset UV_TORCH_BACKEND # uv refuses an empty one
# As pip does, uv trusts the system's certificates: behind a company's proxy it would fail.
export UV_SYSTEM_CERTS=${UV_SYSTEM_CERTS:-true}
if [[ $backend ]]; then export UV_TORCH_BACKEND=$backend; fi
purpose="$root|$backend"

say() { echo "[env] $*"; }

fail() {
  printf '[env] %s\n' "$@" >&2
  exit 1
}

logged() {
  attend "$@" &>>"$log" && return
  tail -n 20 "$log" >&2
  local -a kept=()
  if [[ -d $old ]]; then
    mv "$log" "$old/install.log"
    settle
    kept=("The old .venv stays as it was.")
  fi
  fail "installation failed; the lines above end $log" "${kept[@]}" \
    "Fix the cause and run the same command again."
}

# settle: of two that a run has left, the old .venv goes if the new one is complete.
settle() {
  if [[ -f $venv/.made_for && ! -e $venv/.unfinished ]]; then
    rm -rf "$old"
  else
    rm -rf "$venv"
    mv "$old" "$venv"
  fi
}

# What an installation depends on.
key() {
  local -a files=(setup.cfg pyproject.toml "$venv/pyvenv.cfg")
  local version
  version=$(grep '^__version__' espnet_sentiment/__init__.py 2>/dev/null) || true
  echo "$purpose|$({ cat "${files[@]}" 2>/dev/null; echo "$version"; } | cksum)"
}

# stands <stamp>: it is of what setup.cfg asks for now.
stands() { [[ -f $1 && $(<"$1") == "$(key)" ]]; }

up_to_date() {
  local one
  [[ -x $venv/bin/python ]] && stands "$ready" || return
  for one in ${extra//,/ }; do
    stands "$ready-$one" && continue
    # The extra test holds these.
    [[ $one == @(cluster|demo|docs|mini|onnx|tensorboard) ]] && stands "$ready-test" || return
  done
}

# Prints the version and path of the Python $1 if it is a suitable one. The path is its
# base interpreter's, since $1 may be in the .venv that is about to be replaced.
probe() {
  "$1" -c 'import ensurepip, sys
if not (3, 12) <= sys.version_info < (3, 14):
    sys.exit(1)
print("%d.%d.%d" % sys.version_info[:3], sys._base_executable)' 2>/dev/null
}

find_python() {
  local candidate
  for candidate in "${PYTHON-}" python3.12 python3.13 python3 python \
    "${PYENV_ROOT:-${HOME-}/.pyenv}"/versions/3.1[23].*/bin/python; do
    if [[ $candidate ]] && probe "$candidate"; then return; fi
  done
  # Run it, because there may be a shim without uv behind it.
  uv --version &>/dev/null || return
  uv python install 3.12 >&2 && probe "$(uv python find --managed-python 3.12)"
}

# A .venv whose installation was interrupted may hold incomplete packages.
works() {
  [[ -f $venv/pyvenv.cfg && ! -e $venv/.unfinished ]] && probe "$venv/bin/python" >/dev/null
}

reusable() { [[ ${made_for:-$purpose} == "$purpose" ]] && works; }

make_venv() {
  local version python
  read -r version python < <(find_python) || fail \
    "no Python 3.12 or 3.13 (with venv and ensurepip) on PATH, under pyenv or from uv" \
    "Install one, for example by 'pyenv install 3.12' or 'uv python install 3.12'," \
    "or name it: PYTHON=/path/to/python3.12"
  say "Python $version at $python"
  # With the other build, for which the index may not be reached.
  if [[ ${made_for%|*} == "$root" ]] && works; then mv "$venv" "$old"; else rm -rf "$venv"; fi
  mkdir "$venv"
  touch "$venv/.unfinished"
  logged exec "$python" -m venv "$venv"
}

install() {
  local target=.${extra:+[$extra]} pip=("$venv/bin/python" -m pip) uv=uv
  "${pip[@]}" --version || "$venv/bin/python" -m ensurepip || return
  if ! uv --version; then
    uv=$venv/bin/uv
    [[ -x $uv ]] || attend exec "${pip[@]}" install uv
  fi
  attend exec "$uv" pip install --python "$venv/bin/python" --editable "$target" && return
  # pip knows nothing of backends and would take the CUDA build.
  [[ -z $backend ]] && attend exec "${pip[@]}" install --editable "$target"
}

if [[ ! -d $old ]] && up_to_date; then exit; fi

exec 9>"$venv.lock"
if command -v flock >/dev/null && ! flock --nonblock 9; then
  say "waiting for another installation into $venv"
  flock 9
  # From the start, since the other one may have chosen the build of PyTorch.
  exec "$root/local/env.sh" "$@"
fi

if [[ -d $old ]]; then # that run was killed
  settle
  exec "$root/local/env.sh" "$@"
fi

SECONDS=0
reusable || make_venv
touch "$venv/.unfinished"
there=() # extras that are installed, and stay
for stamp in "$ready"-*; do
  if stands "$stamp"; then there+=("$stamp"); fi
done
rm -f "$ready"*
size=6
if [[ $backend == cpu || $OSTYPE != linux* ]]; then size=2; fi
say "installing espnet_sentiment${extra:+[$extra]}: about $size GB, minutes if not cached" \
  "(its progress: $log)"
logged install
echo "$purpose" >"$venv/.made_for"
for one in ${extra//,/ }; do there+=("$ready-$one"); done
for stamp in "$ready" "${there[@]}"; do key >"$stamp"; done
rm "$venv/.unfinished"
rm -rf "$old"
say "ready in $SECONDS s"
