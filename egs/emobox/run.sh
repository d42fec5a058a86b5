#!/usr/bin/env bash
# EmoBox (Ma et al., Interspeech 2024): 32 corpora, their labels and folds.
[ "${BASH_VERSION-}" ] || exec bash "$0" "$@" # by `sh run.sh`
set -euo pipefail
unset CDPATH # by which cd goes elsewhere
cd "$(dirname "${BASH_SOURCE[0]}")"

corpus=emobox
corpus_help="A corpus of EmoBox, with EmoBox's labels and folds
  --emobox DIR          a clone of https://github.com/emo-box/EmoBox, or its folder data
  --dataset NAME        the corpus, as EmoBox spells it: emodb, iemocap, ravdess, ...
  --audio_dir DIR       its recordings (default: the clone, which holds downloads/NAME/)
"
emobox=
dataset=
audio_dir=

settle_options() {
  if wanted 0; then check emobox '.+' "a folder"; fi
  check dataset '[A-Za-z0-9_-]+' "letters, digits, '_' and '-'"
  corpus=emobox_$dataset
}

prepare_data() {
  python local/prepare.py --emobox "$emobox" --dataset "$dataset" \
    ${audio_dir:+--audio_dir "$audio_dir"} --data_dir "data/$corpus"
}

. ../../local/recipe.sh
