#!/usr/bin/env bash
# Sourced after attend.sh: one Python that serves the stages of a run (core/serve.py).
# What it serves runs in a fork of it, as it would in a Python of its own.

server_pid='' server_place='' server_folder=''
server_fds=() # what its standard input, output and error are

# Modules that stages import once they have work to do, see core/serve.py. With one, the
# server can run nothing on a GPU.
ahead=()

# place: what a command finds besides folder and files: variables, limits.
place() { export -p; umask; ulimit -a; }

# serves <python's arguments>: whether the server can run them here and now. A call that is
# redirected, in a subshell, in another folder or with other variables it cannot.
serves() {
  case ${1-} in
    -m) [[ ${2-} == espnet_sentiment.bin.* ]] || return ;;
    local/prepare.py) ;;
    *) return 1 ;;
  esac
  if ((${#ahead[@]})) && [[ "$*" == *--ngpu\ [1-9]* ]]; then return 1; fi
  # Before Bash 5, a signal would wait for the answer.
  [[ -d /proc/self/fd && $BASHPID == "$$" ]] && ((BASH_VERSINFO[0] >= 5)) || return
  if [[ ! $server_pid ]]; then start_server; fi
  local fd
  for fd in 0 1 2; do
    [[ /dev/fd/$fd -ef /dev/fd/${server_fds[fd]} ]] || return
  done
  [[ -d /proc/$server_pid && . -ef $server_folder && $(place) == "$server_place" ]]
}

start_server() {
  local in out err shell=$BASHPID
  server_place=$(place) server_folder=$PWD
  exec {in}<&0 {out}>&1 {err}>&2
  server_fds=("$in" "$out" "$err")
  coproc SERVER {
    trap '' INT # see attend.sh
    local asked told
    exec {asked}<&0 {told}>&1 0<&"$in" 1>&"$out"
    ESPNET_SENTIMENT_SHELL=$shell exec python -m espnet_sentiment.core.serve \
      "$asked" "$told" "${ahead[@]/#/espnet_sentiment.}"
  }
  # shellcheck disable=SC2153 # Bash sets it
  server_pid=$SERVER_PID
  # Bash forgets SERVER once it has ended.
  exec {server_asked}>&"${SERVER[1]}" {server_told}<&"${SERVER[0]}"
}

# ask <python's arguments>: let the server run them and return the status, as attend does.
ask() {
  local status=
  trap 'obey INT' INT
  trap 'obey TERM' TERM
  trap '' PIPE # a server that was killed
  printf '%s\0' $# "$@" 1>&"$server_asked" 2>/dev/null || true
  trap - PIPE
  if ! read -r status <&"$server_told"; then
    status=0
    wait "$server_pid" 2>/dev/null || status=$?
  fi
  trap - INT TERM
  explain "$status"
  return "$status"
}
