#!/usr/bin/env bash
# SWBD-sentiment (Chen et al., 2020): telephone conversations, 3 classes, the paper's 90/5/5.
[ "${BASH_VERSION-}" ] || exec bash "$0" "$@" # by `sh run.sh`
set -euo pipefail
unset CDPATH # by which cd goes elsewhere
cd "$(dirname "${BASH_SOURCE[0]}")"

corpus=swbd_sentiment
corpus_help="SWBD-sentiment (licensed: LDC97S62 and LDC2020T14)
  --swbd DIR            Switchboard-1 Release 2, LDC97S62: the recordings
  --sentiment_labels PATH
                        Speech Sentiment Annotations, LDC2020T14; or --sentiment DIR,
                        which with a file names the sentiment model
  --ms98 DIR            the MS98 transcripts, swb_ms98_transcriptions
                        (default: below --swbd); or --transcripts DIR
  --split SPLIT         espnet: by row, as in ESPnet's recipe (default);
                        speaker: no speaker in two parts;
                        conversation: nor a conversation
  --no_majority CHOICE  leave_out (default), or train: rows of which no class has the most
                        votes train where votes are the target, and are not scored
"
swbd=
sentiment_labels=
ms98=
split=espnet
no_majority=leave_out
# 140 h on a laptop's disk: one layer in 8 bits, and no second encoder unless it is named.
encoder=conf/encoder/whisper_base_one_layer.yaml

# Folders are the releases', files are configs.
settle_options() {
  check split 'espnet|speaker|conversation' "espnet, speaker or conversation"
  check no_majority 'leave_out|train' "leave_out or train"
  if [[ $no_majority == train ]]; then corpus+=_no_majority; fi
  if [[ -d $sentiment ]]; then
    sentiment_labels=$sentiment
    sentiment=conf/sentiment/rnn_attention.yaml
  fi
  if [[ -d $transcripts ]]; then
    ms98=$transcripts
    transcripts=
  fi
  if wanted 0; then
    check swbd '.+' "the folder LDC97S62"
    check sentiment_labels '.+' "the folder LDC2020T14"
  fi
  other_folds split espnet
}

prepare_data() {
  python local/prepare.py --swbd "$swbd" --sentiment_labels "$sentiment_labels" \
    --ms98 "$ms98" --split "$split" --no_majority "$no_majority" --data_dir "data/$corpus"
}

. ../../local/recipe.sh
