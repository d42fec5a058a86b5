#!/usr/bin/env bash
# LibriSpeech (Panayotov et al., 2015): RNN-T pre-training on 100, 460 or 960 h.
[ "${BASH_VERSION-}" ] || exec bash "$0" "$@" # by `sh run.sh`
set -euo pipefail
unset CDPATH # by which cd goes elsewhere
cd "$(dirname "${BASH_SOURCE[0]}")"

corpus=librispeech
corpus_help="LibriSpeech
  --librispeech DIR     the corpus, the folder with train-clean-100/ and the like
                        (default: download what is needed)
  --hours N             100, 460 or 960 hours to train on (default 100)
"
librispeech=
hours=100
asr=conf/asr/rnnt_paper.yaml

configure() {
  check hours '100|460|960' "100, 460 or 960"
  corpus=librispeech_$hours
}

prepare_data() {
  python local/prepare.py --librispeech "$librispeech" --hours "$hours" \
    --data_dir "data/$corpus"
}

. ../../local/asr_recipe.sh
