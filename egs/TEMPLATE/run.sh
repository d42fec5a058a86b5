#!/usr/bin/env bash
# NAME (AUTHORS, YEAR): its classes and speakers, leave one speaker out.
[ "${BASH_VERSION-}" ] || exec bash "$0" "$@" # by `sh run.sh`
set -euo pipefail
unset CDPATH # by which cd goes elsewhere
cd "$(dirname "${BASH_SOURCE[0]}")"

corpus=template
corpus_help="A corpus of recordings in SPEAKER/LABEL/NAME.wav
  --corpus_dir DIR      the folder that holds the speakers' folders
"
corpus_dir=
# A corpus of a few hundred utterances needs another training than one of thousands.
by_size=true

settle_options() {
  if wanted 0; then check corpus_dir '.+' "a folder"; fi
}

prepare_data() {
  python local/prepare.py --corpus_dir "$corpus_dir" --data_dir "data/$corpus"
}

. ../../local/recipe.sh
