#!/usr/bin/env bash
# IEMOCAP (Busso et al., 2008): the paper's 4 classes, 10 speakers, leave one speaker out.
[ "${BASH_VERSION-}" ] || exec bash "$0" "$@" # by `sh run.sh`
set -euo pipefail
unset CDPATH # by which cd goes elsewhere
cd "$(dirname "${BASH_SOURCE[0]}")"

corpus=iemocap
corpus_help="IEMOCAP (licensed: https://sail.usc.edu/iemocap/)
  --iemocap DIR         the folder IEMOCAP_full_release, which holds Session1 to Session5
  --folds SCHEME        speaker: leave one speaker out, 10 folds (default, the paper's);
                        speaker+scenario: the tested scenarios are left out, too, 30 folds;
                        session: leave one session out, 5 folds; espnet: ESPnet's split
  --improvised_only     the improvised dialogs alone
  --no_majority CHOICE  leave_out (default), or train: turns on which evaluators do not agree
                        train where votes are the target, and are not scored
  --all_categories      every category of the release instead of the paper's four classes
"
iemocap=
folds=speaker
improvised_only=false
all_categories=false
no_majority=leave_out
compare_with=conf/encoder/fbank.yaml

# Experiments on other utterances get other names.
settle_options() {
  check folds 'speaker|speaker\+scenario|session|espnet' \
    "speaker, speaker+scenario, session or espnet"
  check no_majority 'leave_out|train' "leave_out or train"
  if wanted 0; then check iemocap '.+' "the folder IEMOCAP_full_release"; fi
  other_folds folds speaker
  if [[ $all_categories == true ]]; then corpus+=_all; fi
  if [[ $improvised_only == true ]]; then corpus+=_improvised; fi
  if [[ $no_majority == train ]]; then corpus+=_no_majority; fi
}

prepare_data() {
  local -a options=(--iemocap "$iemocap" --data_dir "data/$corpus" --folds "$folds")
  options+=(--no_majority "$no_majority")
  if [[ $improvised_only == true ]]; then options+=(--improvised_only); fi
  if [[ $all_categories == true ]]; then options+=(--all_categories); fi
  python local/prepare.py "${options[@]}"
}

. ../../local/recipe.sh
