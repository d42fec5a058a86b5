#!/usr/bin/env bash
# Sourced by every recipe's run.sh: the options and the seven stages.
#
# run.sh sets before: corpus (the set's name), corpus_help, its own options and defaults,
# and the function prepare_data, which writes data/$corpus. It may set recipe_args, options
# of the task; by_size=true, which chooses some of them by the number of training
# utterances (espnet_sentiment/recipe/by_size.py); compare_with, another encoder; and
# asr_corpus, a set on which to pre-train the RNN-T in stage 2, with the options of
# asr_stages (stages.sh), and asr_also, sets that this RNN-T recognises; and recipe_extra,
# an extra of setup.cfg that is installed, too. A function
# settle_options, if there is one, checks its options once they are known; it may change
# corpus and tag, so that different data do not overwrite each other's results, and set
# data_options: the options with which stage 0 writes other folds of the same data, by
# other_folds.

: "${corpus:?}" "${corpus_help:?}"
# shellcheck source-path=SCRIPTDIR source=stages.sh
. "$(dirname "${BASH_SOURCE[0]}")/stages.sh"

stage=0
stop_stage=6
: "${encoder:=conf/encoder/whisper_base.yaml}"
: "${sentiment:=conf/sentiment/rnn_attention.yaml}"
: "${recipe_args:=}" "${by_size:=false}"
: "${encoder_model:=}" "${compare_with:=}" "${data_options:=}"
: "${asr_corpus:=}" "${asr_also:=}" "${asr:=}" "${asr_args:=}"
: "${recipe_asr_args:=}" "${speed_perturb_factors:=}" "${beam_size:=1}"
: "${asr_tag:=}" "${asr_seed:=0}" "${asr_nj:=2}" "${asr_init:=}"
: "${recipe_extra:=}"
sentiment_args=
seed=0
final=none
tune=
tune_ranges=conf/tune/decoder.yaml
tune_seed=0
tag=
speeds=
channel=
ngpu=0
wait=${ESPNET_SENTIMENT_WAIT:-false}
nj=
cluster=
ablation=false
baselines=false
transcripts=
transcripts_model=
transcripts_beam_size=
align_words=false

own_args=${recipe_args:-none}
if [[ $by_size == true ]]; then
  own_args="learning rate, weight decay, dropout and budget by the number of training utterances"
fi

help_text="Usage: ./run.sh [options]

$corpus_help
Stages
  --stage N             first stage (default 0)
  --stop_stage N        last stage (default 6)
    0 data preparation  1 features  2 pre-trained encoder  3 encoding
    4 training          5 decoding  6 scoring
  A stage that is complete does nothing unless its inputs change; a killed one continues.
  Paths are relative to this folder; results are written to exp/.

Models
  --encoder FILE        pre-trained encoder (default $encoder)
  --encoder_model PATH  its weights, instead of those named in the file
  --compare_with FILE   another encoder, run after it; '' for none
                        (default ${compare_with:-none})
  --sentiment FILES     sentiment model, or several in quotes (default $sentiment)
  --sentiment_args ARGS options of the task that override it, added to this recipe's own
                        ($own_args); e.g. '--max_epoch 20 --grad_clip 1'
  --ablation            the rows of the paper's Table 3, instead of --sentiment: rnn_attention
                        with and without SpecAugment, mlp_pooling, rnn_pooling; and
                        rnn_attention on fbank
  --baselines           the rows of the paper's Table 2, instead of --sentiment:
                        rnn_attention on --encoder; mlp, lstm and rnn_attention on fbank;
                        cnn, cnn_lstm and cnn_lstm_text on fbank_10ms
  --transcripts FILE    ASR model whose transcripts a text branch reads (cnn_lstm_text), by
                        its encoder config (default in --baselines: --encoder); or
                        'reference', the corpus' own
  --transcripts_model PATH
                        its weights (default: --encoder_model, if it is the encoder)
  --transcripts_beam_size N
                        its beam size (default: 4 for an RNN-T, 1 for Whisper, which is greedy)
  --align_words         find the times of the words, by the ASR model of --encoder, for the
                        report of stage 6 (Whisper base: 2 s per utterance on one core)
  --seed N              random seed, or several in quotes (default 0)
  --final all|ensemble  also the model that predict and pack take: one that trains on all
                        utterances, as long as the folds did, or the mean of the folds'
                        posteriors; the folds' scores estimate it (default none)
  --tune N              N settings, the same for all rows: the recipe's own, and others drawn
                        from ranges; each fold chooses by its own validation utterances, and
                        only what it chose is tested (..._tuneN; N times the training)
  --tune_ranges FILE    what is drawn from (default $tune_ranges)
  --tune_seed N         seed of the drawing (default 0)
  --speeds S            also train on copies of the training utterances at these speeds, as if
                        said by further speakers: '0.9 1.1'; a set of its own, data/${corpus}_sp
  --tag NAME            appended to the experiment's name

Others
  --channel 0|1|mix     channel of recordings that have several channels
  --nj N                processes on the CPU: utterances of stage 1, folds of stage 4
                        (default: one per core)
  --cluster FILE        share stages 1, 3, 4 and 5 among Dask workers, here or in a queue's
                        jobs: conf/cluster/local.yaml, slurm.yaml or your own (same numbers)
  --ngpu N              1: encode, train and decode on a CUDA GPU (default 0)
  --wait                where another run works in the same folders, wait until it ends
                        (default: say who works there, and end)"

# shellcheck source-path=SCRIPTDIR source=parse_options.sh
. "$recipe_root/local/parse_options.sh"

check_stages 6
check seed '[0-9]{1,9}( [0-9]{1,9})*' "a whole number, or several in quotes"
check final 'none|all|ensemble' "none, all or ensemble"
check tune '|[2-9]|[1-9][0-9]{1,4}' "a number from 2"
check tune_seed '[0-9]{1,9}' "a whole number"
check speeds '|[0-9]+(\.[0-9]+)?( [0-9]+(\.[0-9]+)?)*' "numbers such as '0.9 1.1'"
check tag '[A-Za-z0-9._-]*' "letters, digits, '.', '_' and '-'"
check asr_seed '[0-9]{1,9}' "a whole number"
check asr_tag '[A-Za-z0-9._-]*' "letters, digits, '.', '_' and '-'"
check asr_nj '[1-9][0-9]*' "a number from 1"
check transcripts_beam_size '|[1-9][0-9]*' "a number from 1"
check nj '|[1-9][0-9]*' "a number from 1"
check ngpu '[01]' "0 or 1: one GPU is used; more, in a queue's jobs, by --cluster FILE"
check channel '|0|1|mix' "0, 1 or mix"

# check_file <option> <file> <folder>: refuse a config file that does not exist.
check_file() {
  if [[ ! -e $2 ]]; then
    echo "error: --$1 '$2' does not exist; conf/$3 holds $(cd "conf/$3" && echo *.yaml)" >&2
    exit 2
  fi
}

# other_folds <option> <its default>: stage 0 makes the folds that the option names;
# experiments on others than the default ones get other names.
other_folds() {
  data_options+=${data_options:+ }"--$1 ${!1}"
  if [[ ${!1} != "$2" ]]; then tag+=${tag:+_}${!1//+/_}; fi
}

check_file encoder "$encoder" encoder
if [[ $compare_with ]]; then check_file compare_with "$compare_with" encoder; fi
if [[ $transcripts && $transcripts != reference ]]; then
  check_file transcripts "$transcripts" encoder
fi
if [[ $tune ]]; then check_file tune_ranges "$tune_ranges" tune; fi
if [[ $cluster ]]; then check_file cluster "$cluster" cluster; fi
read -ra sentiment_files <<<"$sentiment"
for file in "${sentiment_files[@]}"; do check_file sentiment "$file" sentiment; done
if declare -F settle_options >/dev/null; then settle_options; fi
plain=$corpus plain_options=$data_options # without copies
if [[ $speeds ]]; then
  corpus+=_sp
  data_options+=${data_options:+ }"--speeds $speeds"
fi
# Folds that other options made would be trained under the wrong name.
prepared=data/$corpus/options
if ! wanted 0 && [[ -f $prepared && $(<"$prepared") != "$data_options" ]]; then
  had=$(<"$prepared")
  echo "error: data/$corpus was prepared with ${had:-other options}, not with $data_options:" \
    "run stage 0, too" >&2
  exit 2
fi
prepare_environment

tuning=(${tune:+--tune "$tune" --tune_ranges "$tune_ranges" --tune_seed "$tune_seed"})

# What is run: an encoder and its sentiment models, each.
conf=conf/sentiment
runs=()
if [[ $ablation == true ]]; then
  runs+=("$encoder" "$conf/rnn_attention.yaml $conf/mlp_pooling.yaml \
$conf/rnn_pooling.yaml $conf/rnn_attention_no_specaug.yaml"
    conf/encoder/fbank.yaml "$conf/rnn_attention.yaml")
fi
if [[ $baselines == true ]]; then
  transcripts=${transcripts:-$encoder}
  runs+=("$encoder" "$conf/rnn_attention.yaml"
    conf/encoder/fbank.yaml "$conf/mlp.yaml $conf/lstm.yaml $conf/rnn_attention.yaml"
    conf/encoder/fbank_10ms.yaml "$conf/cnn.yaml $conf/cnn_lstm.yaml $conf/cnn_lstm_text.yaml")
fi
if [[ $ablation == false && $baselines == false ]]; then
  runs+=("$encoder" "$sentiment")
  if [[ $compare_with && ! $encoder -ef $compare_with ]]; then
    runs+=("$compare_with" "$sentiment")
  fi
fi
# The RNN-T that stage 2 trains.
own_rnnt=false
if [[ $asr_corpus && $encoder -ef conf/encoder/rnnt.yaml && ! $encoder_model ]]; then
  own_rnnt=true
fi

# See server.sh.
if [[ $ngpu == 0 && ! $cluster ]]; then
  if [[ $own_rnnt == true ]] && wanted 2; then asr_ahead; fi
  if wanted 3; then
    ahead+=(encoder.encode encoder.shard)
    if [[ $(<"$encoder") == *huggingface* ]]; then ahead+=(encoder.whisper); fi
  fi
  if wanted 3 || wanted 4; then ahead+=(train.train_fold train.parallel_folds); fi
  if wanted 5; then ahead+=(inference.decode_fold); fi
  if wanted 6; then ahead+=(report.plots scoring.results report.rows); fi
fi
override="--sentiment_args=$recipe_args $sentiment_args"
if [[ $own_rnnt == true ]] && wanted 2; then checks_asr; fi
if wanted 3 || wanted 4; then
  configs=()
  for ((i = 1; i < ${#runs[@]}; i += 2)); do
    read -ra more <<<"${runs[i]}"
    configs+=("${more[@]}")
  done
  options_to_check+=(--sentiment "${configs[@]}" "$override" --transcripts "$transcripts"
    --final "$final" "${tuning[@]}"
    ${cluster:+--cluster "$cluster"})
fi
check_options

features() {
  module make_features "$@" ${channel:+--channel "$channel"} ${nj:+--nj "$nj"} \
    ${cluster:+--cluster "$cluster"}
}

# transcribe: what the ASR model recognises, and the features that it reads.
transcribe() {
  local -a data=(--data_dir "data/$corpus")
  local model=$transcripts_model
  if [[ ! $model && $transcripts -ef $encoder ]]; then model=$encoder_model; fi
  if wanted 1 && [[ $transcripts != reference ]]; then
    features "${data[@]}" --encoder conf/encoder/fbank.yaml
    features "${data[@]}" --encoder "$transcripts" ${model:+--encoder_model "$model"}
  fi
  if wanted 3; then
    module transcribe "${data[@]}" --transcripts "$transcripts" --ngpu "$ngpu" \
      ${transcripts_beam_size:+--beam_size "$transcripts_beam_size"} \
      ${model:+--transcripts_model "$model"}
  fi
}

# align: word times from the ASR model whose encoder is used.
align() {
  module align --data_dir "data/$corpus" --transcripts "$encoder" --ngpu "$ngpu" \
    ${encoder_model:+--transcripts_model "$encoder_model"}
}

# run_stages <encoder config> <sentiment configs>
run_stages() {
  local -a data=(--data_dir "data/$corpus" --encoder "$1")
  if [[ $encoder_model && $1 == "$encoder" ]]; then
    data+=(--encoder_model "$encoder_model")
  fi
  local -a configs seeds
  read -ra configs <<<"$2"
  read -ra seeds <<<"$seed"
  local -a shared=(${cluster:+--cluster "$cluster"})
  local -a experiment=("${data[@]}" --sentiment "${configs[@]}" --seed "${seeds[@]}"
    --tag "$tag" --ngpu "$ngpu" --transcripts "$transcripts" ${tune:+--tune "$tune"})
  if wanted 1; then features "${data[@]}"; fi
  if wanted 2; then module fetch_encoder "${data[@]}"; fi
  if wanted 3; then module encode "${experiment[@]}" "${shared[@]}" "$override"; fi
  if wanted 4; then
    local -a settings=("${tuning[@]}")
    if [[ $by_size == true ]]; then settings+=(--by_size); fi
    if [[ $final != none ]]; then settings+=(--final "$final"); fi
    module sentiment_train "${experiment[@]}" "${shared[@]}" "${settings[@]}" \
      ${nj:+--nj "$nj"} "$override"
  fi
  if wanted 5; then module sentiment_inference "${experiment[@]}" "${shared[@]}"; fi
  if wanted 6; then
    module score "${experiment[@]}" ${channel:+--channel "$channel"}
    if [[ $align_words == true && $1 == "$encoder" ]]; then align; fi
    module report "${experiment[@]}" ${channel:+--channel "$channel"}
  fi
}

# prepared_with <set> <options>: note them. A recipe that is up to date writes nothing,
# where it may not write as well.
prepared_with() {
  local file=data/$1/options
  if [[ ! -f $file || $(<"$file") != "$2" ]]; then echo "$2" >"$file"; fi
}

if wanted 0; then
  # Not "corpus=... prepare_data", which would export it.
  trained=$corpus corpus=$plain
  prepare_data
  corpus=$trained
  prepared_with "$plain" "$plain_options"
  if [[ $speeds ]]; then
    read -ra factors <<<"$speeds"
    module perturb_speed --data_dir "data/$plain" --out "data/$corpus" \
      --speeds "${factors[@]}" ${channel:+--channel "$channel"}
    prepared_with "$corpus" "$data_options"
  fi
fi
if [[ $own_rnnt == true ]]; then
  read -ra also <<<"$asr_also"
  asr_stages "$asr_corpus" "${also[@]}"
  encoder_model=$asr_exp
fi
if [[ $transcripts ]]; then transcribe; fi
if [[ $align_words == true ]] && wanted 1; then
  features --data_dir "data/$corpus" --encoder conf/encoder/fbank.yaml # an RNN-T aligns it
fi
for ((i = 0; i < ${#runs[@]}; i += 2)); do run_stages "${runs[i]}" "${runs[i + 1]}"; done
if wanted 6; then
  module tables --data_dir "data/$corpus" --encoder "$encoder" \
    ${channel:+--channel "$channel"}
fi
echo "[recipe] stages $stage to $stop_stage: $SECONDS s in all" >&2
