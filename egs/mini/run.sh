#!/usr/bin/env bash
# mini: the paper's idea in a few minutes, on synthetic speech, without any corpus.
[ "${BASH_VERSION-}" ] || exec bash "$0" "$@" # by `sh run.sh`
set -euo pipefail
unset CDPATH # by which cd goes elsewhere
cd "$(dirname "${BASH_SOURCE[0]}")"

corpus=mini
recipe_extra=mini # brings the voices
# Clean speech and few words: soon learned, without SpecAugment.
recipe_asr_args="--max_epoch 3 --keep_nbest_models 1 --specaug none \
--batch_bins 200000"
corpus_help="mini: synthetic speech by espeak-ng. In stage 2 an RNN-T is pre-trained on
transcribed speech; sentiment is learned from what its frozen encoder says, and from
plain fbank. With another --encoder no RNN-T is trained.
  --asr FILE            RNN-T (default conf/asr/rnnt_small.yaml)
  --asr_args ARGS       options of RNNTTask that override it, after this recipe's own
                        ($recipe_asr_args)
  --asr_seed N          random seed of the RNN-T (default 0)
  --asr_tag NAME        appended to the RNN-T's name
  --asr_nj N            CPU processes that train it together (default 2; the numbers
                        depend on it)
"
asr_corpus=mini_speech
asr_also=an4
asr=conf/asr/rnnt_small.yaml
asr_args=
asr_seed=0
asr_tag=
asr_nj=2
encoder=conf/encoder/rnnt.yaml
compare_with=conf/encoder/fbank.yaml
# A few hundred utterances: ten times the paper's learning rate, and dropout.
recipe_args="--optim_conf lr=0.001 --decoder_conf dropout=0.3"

prepare_data() {
  python local/prepare.py ${nj:+--nj "$nj"}
}

. ../../local/recipe.sh
