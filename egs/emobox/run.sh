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
  --test PARTS          tested parts, a fold each, in quotes: mer2023 has 'test test2 test3'
                        (default test)
"
emobox=
dataset=
audio_dir=
test="test"
# A corpus of a few hundred utterances needs another training than one of thousands.
by_size=true

# Experiments on other tested parts get other names.
settle_options() {
  if wanted 0; then check emobox '.+' "a folder"; fi
  check dataset '[A-Za-z0-9_-]+' "letters, digits, '_' and '-'"
  check test 'test[A-Za-z0-9_-]*( test[A-Za-z0-9_-]*)*' "names of parts, test ..."
  corpus=emobox_$dataset
  if [[ $test != test ]]; then
    data_options="--test '$test'"
    tag+=${tag:+_}${test// /_}
  fi
}

prepare_data() {
  local tests
  read -ra tests <<<"$test"
  python local/prepare.py --emobox "$emobox" --dataset "$dataset" --test "${tests[@]}" \
    ${audio_dir:+--audio_dir "$audio_dir"} --data_dir "data/$corpus"
}

. ../../local/recipe.sh
