#!/usr/bin/env bash
# speechocean762 (Zhang et al., 2021): RNN-T pre-training on 2.9 h of read English.
[ "${BASH_VERSION-}" ] || exec bash "$0" "$@" # by `sh run.sh`
set -euo pipefail
unset CDPATH # by which cd goes elsewhere
cd "$(dirname "${BASH_SOURCE[0]}")"

corpus=speechocean762
corpus_help="speechocean762
  --speechocean762 DIR  the corpus, the folder with train/, test/ and WAVE/
                        (default: download it)
"
speechocean762=
# Learners' speech is a hard start: from scratch, the small RNN-T learns sentences by heart
# before it hears letters. The encoder of egs/mini hears them in synthetic speech.
asr_init=../mini/exp/asr_mini_speech_rnnt_small
# With so little speech, hearing it at three speeds helps.
speed_perturb_factors="0.9 1.0 1.1"

prepare_data() {
  python local/prepare.py --speechocean762 "$speechocean762" --data_dir "data/$corpus"
}

. ../../local/asr_recipe.sh
