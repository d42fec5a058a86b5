#!/usr/bin/env bash
# mini: the paper's idea in a few minutes, on synthetic speech, without any corpus.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

corpus=mini
corpus_help="mini: synthetic speech by espeak-ng. An RNN-T is pre-trained on transcribed
speech and frozen; sentiment is learned from what it says, and from plain fbank.
  --asr FILE            RNN-T (default conf/asr/rnnt_small.yaml)
  --asr_args ARGS       options of RNNTTask that override it, after this recipe's own
  --asr_seed N          random seed of the RNN-T (default 0)
"
asr_corpus=mini_speech
asr_also=an4
asr=conf/asr/rnnt_small.yaml
# Clean speech and few words: soon learned, without SpecAugment.
recipe_asr_args="--max_epoch 4 --keep_nbest_models 2 --specaug none \
--batch_bins 200000"
asr_args=
asr_seed=0
encoder=conf/encoder/rnnt.yaml
baseline=conf/encoder/fbank.yaml
# A few hundred utterances: ten times the paper's learning rate, and dropout.
recipe_args="--optim_conf lr=0.001 --decoder_conf dropout=0.3"

prepare_data() {
  python local/prepare.py
}

. ../../local/recipe.sh
