#!/usr/bin/env bash
# nEMO (Christop, 2024): 6 classes, 9 Polish speakers, leave one speaker out.
[ "${BASH_VERSION-}" ] || exec bash "$0" "$@" # by `sh run.sh`
set -euo pipefail
unset CDPATH # by which cd goes elsewhere
cd "$(dirname "${BASH_SOURCE[0]}")"

corpus=nemo
corpus_help="nEMO
  --nemo DIR            the corpus, the folder that holds data.tsv and samples/
                        (default: download it)
  --folds SCHEME        speaker: leave one speaker out, 9 folds (default);
                        speaker+sentence: the tested sentences are left out, too, 27 folds
"
nemo=
folds=speaker
# As for EmoDB, on whose validation speakers they were chosen: nothing is tuned on nEMO.
recipe_args="--optim_conf lr=0.00208 --optim_conf weight_decay=0.000778 --decoder_conf dropout=0.263"

settle_options() {
  check folds 'speaker(\+sentence)?' "speaker or speaker+sentence"
  other_folds folds speaker
}

prepare_data() {
  python local/prepare.py --nemo "$nemo" --folds "$folds" --data_dir "data/$corpus"
}

. ../../local/recipe.sh
