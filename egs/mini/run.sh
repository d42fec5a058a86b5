#!/usr/bin/env bash
# mini: the paper's idea in a few minutes, on synthetic speech, without any corpus.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

corpus=mini
corpus_help="mini: synthetic speech by espeak-ng. An RNN-T is pre-trained on transcribed
speech and frozen; sentiment is learned from what it says, and from plain fbank.
  --asr FILE            RNN-T (default conf/asr/rnnt_small.yaml)
  --asr_args ARGS       options of RNNTTask that override it
"
asr_corpus=mini_speech
asr_also=an4
asr=conf/asr/rnnt_small.yaml
# Clean speech and few words: soon learned, without SpecAugment.
asr_args="--max_epoch 4 --specaug none --batch_bins 200000 --optim_conf lr=0.001"
encoder=conf/encoder/rnnt.yaml
baseline=conf/encoder/fbank.yaml
# A few hundred utterances: ten times the paper's learning rate, and dropout.
recipe_args="--optim_conf lr=0.001 --decoder_conf dropout=0.3"

prepare_data() {
  python local/prepare.py
}

. ../../local/recipe.sh
