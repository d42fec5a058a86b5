#!/usr/bin/env bash
# Sourced: runs a command so that SIGINT and SIGTERM to this shell end both at once. Bash
# answers no signal while it waits for a command in front.

# attend exec <program> | <function>: run it and return its status.
attend() {
  local status=0 shell=$BASHPID
  trap 'obey INT' INT
  trap 'obey TERM' TERM
  {
    trap '' INT # Ctrl-C is this shell's: what starts up has no handler for it yet
    # By this, core/entry.py lets Python die even with a shell that is killed.
    ESPNET_SENTIMENT_SHELL=$shell "$@"
  } <&0 & # else it would read /dev/null
  wait "$!" 2>/dev/null || status=$?
  trap - INT TERM
  explain "$status"
  return "$status"
}

# explain <status>: say what nobody else could have said of it.
explain() {
  if (($1 == 128 + 9)); then
    echo "error: killed, perhaps for want of memory: run the same command again" >&2
  fi
}

# obey <signal>: end what runs, then this shell, as if nothing had caught the signal.
obey() {
  local pid
  trap '' INT TERM
  for pid in $(jobs -rp); do kill "$pid" 2>/dev/null || true; done
  wait
  trap - "$1"
  kill -s "$1" "$BASHPID"
}
