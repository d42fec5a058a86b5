#!/usr/bin/env bash
# Any corpus that a table describes: one utterance per row, its recording and its label.
[ "${BASH_VERSION-}" ] || exec bash "$0" "$@" # by `sh run.sh`
set -euo pipefail
unset CDPATH # by which cd goes elsewhere
cd "$(dirname "${BASH_SOURCE[0]}")"

corpus=manifest
corpus_help="Any corpus, from a table (columns: README.md)
  --manifest FILE       .csv, .tsv or .jsonl with the columns path, label, ...
  --name SET            what to call the corpus
  --audio_dir DIR       where the column path starts (default: the manifest's folder)
  --folds SCHEME        given: by the column split or fold (default, where there is one);
                        speaker: leave one speaker out (default else); or a number of folds
"
manifest=
name=
audio_dir=
folds=

# Experiments on other folds get other names.
settle_options() {
  if wanted 0; then check manifest '.+' "a file"; fi
  check name '[A-Za-z0-9][A-Za-z0-9._-]*' "letters, digits, '.', '_' and '-'"
  check folds '|given|speaker|[1-9][0-9]*' "given, speaker or a number"
  corpus=$name
  data_options="--folds ${folds:-''}"
  if [[ $folds ]]; then tag+=${tag:+_}folds_$folds; fi
}

prepare_data() {
  python local/prepare.py --manifest "$manifest" --folds "$folds" \
    ${audio_dir:+--audio_dir "$audio_dir"} --data_dir "data/$corpus"
}

. ../../local/recipe.sh
