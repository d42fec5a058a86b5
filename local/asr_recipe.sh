#!/usr/bin/env bash
# Sourced by the run.sh of a recipe that pre-trains an RNN-T: options, stages 0 to 2.
#
# run.sh sets before: corpus (the set's name), corpus_help, its own options and defaults,
# the function prepare_data, which writes data/$corpus, and, if its options decide which
# set that is, the function configure.

: "${corpus:?}" "${corpus_help:?}"
# shellcheck source-path=SCRIPTDIR source=stages.sh
. "$(dirname "${BASH_SOURCE[0]}")/stages.sh"

stage=0
stop_stage=2
: "${asr:=conf/asr/rnnt_small.yaml}"
: "${speed_perturb_factors:=}"
: "${recipe_asr_args:=}" "${asr_init:=}"
asr_args=
beam_size=1
seed=0
tag=
ngpu=0
wait=${ESPNET_SENTIMENT_WAIT:-false}
nj=2

help_text="Usage: ./run.sh [options]

$corpus_help
Stages
  --stage N             first stage (default 0)
  --stop_stage N        last stage (default 2)
    0 data preparation  1 fbank  2 RNN-T pre-training, decoding, scoring
  A stage that is complete does nothing unless its inputs change; a killed one continues.
  Paths are relative to this folder; results are written to exp/.

Model
  --asr FILE            RNN-T (default $asr)
  --asr_args ARGS       options of RNNTTask that override it, added to this recipe's own
                        (${recipe_asr_args:-none}); e.g. '--max_epoch 20 --token_type bpe'
  --asr_init DIR        RNN-T experiment with the encoder to start from, or none
                        (default ${asr_init:-none})
  --speed_perturb_factors F   copies of the training utterances at these speeds, in
                        quotes (default '$speed_perturb_factors')
  --beam_size N         1 decodes greedily (default 1)
  --seed N              random seed (default 0)
  --tag NAME            appended to the experiment's name

Others
  --nj N                CPU processes that train together (default 2; the numbers
                        depend on it)
  --ngpu N              train on N CUDA GPUs, decode on one (default 0)
  --wait                where another run works in the same folders, wait until it ends
                        (default: say who works there, and end)

Every sentiment recipe can then use the encoder:
  cd ../emodb && ./run.sh --encoder conf/encoder/rnnt.yaml"

# shellcheck source-path=SCRIPTDIR source=parse_options.sh
. "$recipe_root/local/parse_options.sh"

check_stages 2
check seed '[0-9]{1,9}' "a whole number"
check tag '[A-Za-z0-9._-]*' "letters, digits, '.', '_' and '-'"
check beam_size '[1-9][0-9]*' "a number from 1"
check speed_perturb_factors '|[0-9. ]+' "numbers such as '0.9 1.0 1.1'"
check nj '[1-9][0-9]*' "a number from 1"
check ngpu '[0-9]+' "a number from 0"
if declare -F configure >/dev/null; then configure; fi

prepare_environment
if wanted 2; then
  checks_asr
  if [[ $ngpu == 0 ]]; then asr_ahead; fi
fi
check_options
if wanted 0; then prepare_data; fi
if [[ $asr_init == none ]]; then asr_init=; fi
asr_tag=$tag asr_seed=$seed asr_nj=$nj
asr_stages "$corpus"
if wanted 2; then
  # What conf/encoder/rnnt.yaml names: the RNN-T of the latest stage 2.
  if [[ ! $recipe_root/exp/rnnt -ef $asr_exp ]]; then
    mkdir -p "$recipe_root/exp"
    ln -sfn "$PWD/$asr_exp" "$recipe_root/exp/rnnt"
  fi
  echo "[recipe] conf/encoder/rnnt.yaml now names $asr_exp" >&2
fi
echo "[recipe] stages $stage to $stop_stage: $SECONDS s in all" >&2
