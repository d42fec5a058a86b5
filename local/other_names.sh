#!/usr/bin/env bash
# Sourced by parse_options.sh: options of ESPnet's and Kaldi's recipes that these have not,
# and what there is instead.

# other_name <option without -->: print what it is called here; nothing if nobody knows it.
other_name() {
  local args=--sentiment_args model=--sentiment first=4
  if [[ ! -v sentiment ]]; then args=--asr_args model=--asr first=2; fi
  case $1 in
    expdir | dumpdir | datadir | data)
      echo "results are written to data/, dump/ and exp/ in the recipe's folder;" \
        "elsewhere by a link: ln -s /a/large/disk ${1%dir}" ;;
    skip_data_prep | skip_stages) echo "--stage N begins later, and what is complete is not done again" ;;
    skip_train) echo "--stage $((first + 1)) begins after training" ;;
    skip_eval) echo "--stop_stage $first ends after training" ;;
    skip_packing | skip_upload | skip_upload_hf | hf_repo)
      echo "espnet-sentiment pack exp/NAME --push OWNER/NAME shares a model" ;;
    download_model) echo "espnet-sentiment predict --model NAME takes a model that is packed" ;;
    inference_nj | num_workers | train_nj) echo "--nj N" ;;
    gpu_inference | gpu | num_gpus | use_gpu | cuda) echo "--ngpu 1" ;;
    num_nodes | cmd | train_cmd | cuda_cmd | decode_cmd) echo "--cluster FILE" ;;
    cls_config | train_config | sentiment_config | asr_config | conf | model_conf)
      echo "$model FILE" ;;
    config) echo "$model FILE for a model's config; options of run.sh stand in the command" ;;
    cls_args | train_args) echo "$args ARGS" ;;
    cls_tag | cls_exp | expname | exp_name) echo "--tag NAME" ;;
    lr | learning_rate) echo "$args '--optim_conf lr=...'" ;;
    batch_size | batch_bins | max_epoch | epochs | patience | optim | optim_conf | \
      scheduler | accum_grad | grad_clip | init_param | pretrained_model)
      local task=$1
      case $1 in epochs) task=max_epoch ;; pretrained_model) task=init_param ;; esac
      echo "$args '--$task ...'" ;;
    fs | audio_format | feats_type | feats_normalize | token_type)
      echo "it follows from the encoder's config and the recordings" ;;
    train_set | valid_set | test_sets | local_data_opts)
      echo "the options of the corpus, on top of --help" ;;
    python | python3) echo ".venv has the Python; PYTHON=... local/env.sh chooses it" ;;
  esac
}
