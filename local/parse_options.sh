#!/usr/bin/env bash
# Sourced: turns --name value into name=value, for the options that $help_text names.
# --flag alone sets a variable that is "false" to "true"; --help prints $help_text.

# shellcheck source-path=SCRIPTDIR source=other_names.sh
. "$(dirname "${BASH_SOURCE[0]}")/other_names.sh"

# refuse <what is wrong>
refuse() {
  echo "error: $1 (see --help)" >&2
  exit 2
}

# Options that there are not, what to do about each.
strange=()

while (($#)); do
  if [[ $1 == -h || $1 == --help ]]; then
    echo "${help_text:?}"
    exit 0
  fi
  asked=$1
  if [[ $1 == --*=* ]]; then asked=${1%%=*}; fi
  option=${asked#--}
  option=${option//-/_}
  if [[ $1 != --* || $help_text != *"  --$option "* || ! -v $option ]]; then
    here=
    if [[ $1 == --* ]]; then here=$(other_name "$option"); fi
    if [[ $here ]]; then
      strange+=("there is no $asked here: $here")
    else
      strange+=("unknown option $asked")
    fi
    shift
    while (($#)) && [[ $1 != --* && $1 != -h ]]; do shift; done # its values
    continue
  fi
  if [[ $1 == --*=* ]]; then refuse "write $asked ${1#*=}"; fi
  if [[ ${!option} == false && (-z ${2-} || $2 == --*) ]]; then
    printf -v "$option" true
    shift
  elif [[ ${!option} == false && ! $2 =~ ^(true|false)$ ]]; then
    refuse "$1 takes no value, but got '$2'"
  elif (($# > 1)); then
    printf -v "$option" %s "$2"
    shift 2
  else
    refuse "$1 needs a value"
  fi
done
if ((${#strange[@]} == 1)); then refuse "${strange[0]}"; fi
if ((${#strange[@]})); then
  echo "error: ${#strange[@]} options are none here (see --help)" >&2
  printf '  %s\n' "${strange[@]}" >&2
  exit 2
fi
