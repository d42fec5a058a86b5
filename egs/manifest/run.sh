#!/usr/bin/env bash
# Any corpus that a table describes: one utterance per row, its recording and its label.
[ "${BASH_VERSION-}" ] || exec bash "$0" "$@" # by `sh run.sh`
set -euo pipefail
unset CDPATH # by which cd goes elsewhere
cd "$(dirname "${BASH_SOURCE[0]}")"

corpus=manifest
corpus_help="Any corpus, from a table (columns: README.md)
  --manifest FILE       .csv, .tsv, .jsonl, .json, .xlsx, .ods or .parquet with the columns
                        path, label, ...; or a folder, LABEL/x.wav or SPEAKER/LABEL/x.wav
  --name SET            what to call the corpus
  --audio_dir DIR       where the column path starts (default: the manifest's folder)
  --folds SCHEME        given: by the column split or fold (default, where there is one);
                        speaker: leave one speaker out (default else); speaker+group: the
                        tested groups, too, by the column group; or a number of folds
                        (default 5 without speakers)
  --map PAIRS           our columns and those of the table: path=file,label=emotion; or a
                        file of such lines
  --map_label PAIRS     labels of the table and classes: exc=happiness,neu=neutral; nothing
                        behind = leaves rows out; or a file of such lines
  --layout NAMES        what the names of a folder's subfolders are, of label, speaker, split,
                        fold and - for nothing: label/speaker
  --skip_missing N      leave out up to N rows whose recordings are not there (default 0)
  --no_majority CHOICE  refuse (default), or train: rows with votes and no label train where
                        votes are the target, and are not scored
  --encoding NAME       of text that is not UTF-8: cp1252, latin-1, gb18030, ...
  --sheet NAME          of a spreadsheet with several
"
manifest=
name=
audio_dir=
folds=
map=
map_label=
layout=
skip_missing=0
no_majority=refuse
encoding=
sheet=
# A corpus of a few hundred utterances needs another training than one of thousands.
by_size=true

# Experiments on other folds get other names.
settle_options() {
  if wanted 0; then check manifest '.+' "a file or a folder"; fi
  check name '[A-Za-z0-9][A-Za-z0-9._-]*' "letters, digits, '.', '_' and '-'"
  check folds '|given|speaker(\+group)?|[1-9][0-9]*' "given, speaker, speaker+group or a number"
  check skip_missing '[0-9]{1,9}' "a whole number"
  check no_majority 'refuse|train' "refuse or train"
  corpus=$name
  data_options="--folds ${folds:-''}"
  if [[ $no_majority == train ]]; then data_options+=" --no_majority train"; fi
  if [[ $folds ]]; then tag+=${tag:+_}folds_${folds//+/_}; fi
}

prepare_data() {
  python local/prepare.py --manifest "$manifest" --folds "$folds" \
    --map "$map" --map_label "$map_label" --skip_missing "$skip_missing" \
    --no_majority "$no_majority" \
    ${layout:+--layout "$layout"} ${encoding:+--encoding "$encoding"} ${sheet:+--sheet "$sheet"} \
    ${audio_dir:+--audio_dir "$audio_dir"} --data_dir "data/$corpus"
}

. ../../local/recipe.sh
