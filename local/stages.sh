#!/usr/bin/env bash
# Sourced by recipe.sh and asr_recipe.sh: what it takes to run stages.

# The options are set by the scripts that source this one.
# shellcheck disable=SC2154

set +o posix # by `sh`, where that is Bash
unset CDPATH

# The physical path, so that a recipe elsewhere can link to this folder.
recipe_root=$(cd "$(dirname "${BASH_SOURCE[0]}")" && cd -P .. && pwd)

# shellcheck source-path=SCRIPTDIR source=attend.sh
. "$recipe_root/local/attend.sh"
# shellcheck source-path=SCRIPTDIR source=server.sh
. "$recipe_root/local/server.sh"

# check <option> <pattern> <what it must be>
check() {
  if [[ ! ${!1} =~ ^($2)$ ]]; then
    echo "error: --$1 '${!1}' must be $3 (see --help)" >&2
    exit 2
  fi
}

# check_stages <last>: of --stage and --stop_stage.
check_stages() {
  check stage "[0-$1]" "a number from 0 to $1"
  check stop_stage '[0-9]{1,9}' "a number from 0 to $1"
  stop_stage=$((10#$stop_stage))
  if ((stop_stage < stage)); then
    echo "error: --stop_stage $stop_stage comes before --stage $stage: nothing would run" >&2
    exit 2
  fi
  if ((stop_stage > $1)); then
    echo "[recipe] --stop_stage $stop_stage: the last stage is $1" >&2
    stop_stage=$1
  fi
}

# prepare_environment: install the package with what the recipe's extra and --cluster
# need, and take Python from .venv.
prepare_environment() {
  local extras=${recipe_extra-}
  if [[ ${cluster-} ]]; then extras+=${extras:+,}cluster; fi
  attend exec "$recipe_root/local/env.sh" ${extras:+"$extras"}
  export PATH=$recipe_root/.venv/bin:$PATH
  export ESPNET_SENTIMENT_WAIT=$wait
  # Threads that spin while they wait slow each other down on shared cores.
  export OMP_WAIT_POLICY=${OMP_WAIT_POLICY:-passive}
}

# Stages and the recipes' own scripts: a signal to run.sh ends them, too.
python() {
  if serves "$@"; then ask "$@"; else attend exec python "$@"; fi
}

wanted() { ((stage <= $1 && $1 <= stop_stage)); }

# module <name> <options>: run one of the package's entry points, and time it.
module() {
  local begin=$SECONDS
  python -m "espnet_sentiment.bin.$1" "${@:2}"
  echo "[recipe] $1: $((SECONDS - begin)) s" >&2
}

# Options of check_options, see checks_asr and recipe.sh.
options_to_check=()

# checks_asr: the RNN-T's options are to be checked, too.
checks_asr() { options_to_check+=(--asr "$asr" "--asr_args=$recipe_asr_args $asr_args"); }

# check_options: what a later stage would refuse is refused before hours of work.
check_options() {
  if ((${#options_to_check[@]})); then
    python -m espnet_sentiment.bin.check_options --ngpu "$ngpu" "${options_to_check[@]}"
  fi
}

# asr_ahead: what pre-training an RNN-T imports once it has work to do, see server.sh.
asr_ahead() {
  ahead+=(train.prepare_rnnt train.train_rnnt asr.rnnt_checkpoint asr.rnnt_recogniser
    asr.transcribe report.plots scoring.error_rates)
}

# asr_stages <set> [other sets]: stages 1 and 2 of RNN-T pre-training. The RNN-T is
# trained and tested on the set; other sets are recognised as they are. Sets asr_exp.
asr_stages() {
  local set=$1 name
  name=$(basename "$asr" .yaml)
  asr_exp=exp/asr_${set}_$name${asr_tag:+_$asr_tag}
  if ((10#$asr_seed)); then asr_exp+=_seed$asr_seed; fi
  local -a factors decode=(--asr_exp "$asr_exp" --beam_size "$beam_size" --ngpu "$ngpu")
  read -ra factors <<<"$speed_perturb_factors"
  if wanted 1; then
    module make_features --data_dir "data/$set" --encoder conf/encoder/fbank.yaml \
      --speed_perturb_factors "${factors[@]}"
    for set in "${@:2}"; do
      module make_features --data_dir "data/$set" --encoder conf/encoder/fbank.yaml
    done
  fi
  if wanted 2; then
    module asr_train --data_dir "data/$1" --asr "$asr" --asr_exp "$asr_exp" \
      "--asr_args=$recipe_asr_args $asr_args" --seed "$asr_seed" --ngpu "$ngpu" \
      --nj "$asr_nj" ${asr_init:+--init "$asr_init"}
    module asr_inference "${decode[@]}" --data_dir "data/$1" --part valid test
    for set in "${@:2}"; do
      module asr_inference "${decode[@]}" --data_dir "data/$set" --part all
    done
    module asr_score --asr_exp "$asr_exp"
  fi
}
