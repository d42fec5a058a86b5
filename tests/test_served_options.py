"""Every option of the tasks is honoured by the stages, or refused by name."""

import argparse
import subprocess
import sys
from pathlib import Path

import lazy
import pytest
import yaml
from recipe_fixtures import Recipe

from espnet_sentiment.bin import check_options
from espnet_sentiment.core.errors import DataError, UserError
from espnet_sentiment.core.files import write_json
from espnet_sentiment.train.served import RNNT, SENTIMENT, check_processes

pytestmark = pytest.mark.espnet

CONFIG = Path("conf.yaml")
TASKS = {"SentimentTask": SENTIMENT, "RNNTTask": RNNT}


def options(task, config=(), *extra):
    task_class = getattr(lazy, task)
    config = dict(config)
    return lazy.task_options(task_class, config, CONFIG, extra, "--x_args", TASKS[task])


def actions(task):
    parser = getattr(lazy, task).get_parser()
    return {a.dest: a for a in parser._actions if a.dest != "help"}


def another(action, served):
    """Return a value that differs from the served one, and how a shell says it."""
    name = action.option_strings[-1]
    if isinstance(action, argparse._StoreTrueAction):
        return True, [name]
    if type(action).__name__ == "NestedDictAction":
        return {"x": 1}, [name, "x=1"]
    if isinstance(action, argparse._AppendAction):
        return ["7"], [name, "7"]
    if action.choices is not None:
        value = next(c for c in action.choices if c not in (served, None, "none"))
        return value, [name, str(value)]
    if isinstance(served, bool):
        return not served, [name, str(not served)]
    if action.nargs is not None:
        return ["7"], [name, "7"]
    if action.type in (str, None) or "str" in action.type.__name__:
        return "7", [name, "7"]
    value = 7 if action.type is int else action.type("7")
    return value, [name, "7"]


@pytest.mark.parametrize("task", TASKS)
def test_every_option_that_a_stage_overrides_is_refused_by_name(task):
    served, known = TASKS[task], actions(task)
    overridden = {*served.never, *served.fixed, *served.unused}
    assert overridden <= set(known)
    # ESPnet refuses other models and front ends itself.
    for key in overridden - {"model", "frontend"}:
        standard = served.fixed.get(key, known[key].default)
        value, said = another(known[key], standard)
        if key == "train_data_path_and_name_and_type" or key.startswith("valid_data"):
            said = [said[0], "a,b,text"]
        message = f"{key} is decided by the stage: leave it out$"
        with pytest.raises(DataError, match=f"^--x_args: {message}"):
            options(task, {}, *said)
        if key != "config":
            with pytest.raises(DataError, match=f"^{CONFIG}: {message}"):
                options(task, {key: value})
    for key in served.fixed:
        options(task, {key: served.fixed[key]})
    for key in served.unused:
        options(task, {key: known[key].default})


@pytest.mark.parametrize("task", TASKS)
def test_what_has_no_effect_without_another_option_is_refused(task):
    for key, other in TASKS[task].needs.items():
        value = {"views": 2, "clean": 0}.get(key, actions(task)[key].default)
        with pytest.raises(DataError, match=f"{key} has no effect without {other}"):
            options(task, {key: value})
    # Who says that there is none need not take out the rest.
    options(task, {"specaug": None, "specaug_conf": {"policy": "LB"}})


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize(
    "said",
    [
        "--max_epoch 0",
        "--batch_size 0",
        "--batch_bins 0",
        "--valid_batch_size 0",
        "--accum_grad 0",
        "--log_interval 0",
        "--num_iters_per_epoch 0",
        "--patience -1",
        "--keep_nbest_models 0",
        "--keep_nbest_models 3 0",
        "--grad_clip 0",
        "--grad_clip -1",
        "--grad_clip nan",
        "--init_param nothing.pth",
        "--batch_type catbel",
        "--batch_type folded",
        "--fold_length 9",
        "--max_epoch ten",
        "--optim nothing",
        "--config other.yaml",
    ],
)
def test_values_that_no_training_takes_are_named(task, said):
    with pytest.raises(DataError, match=f"^--x_args: .*{said.split()[0][2:]}"):
        options(task, {}, *said.split())


@pytest.mark.parametrize(
    ("task", "said", "message"),
    [
        ("RNNTTask", "--batch_size 8", "no effect with batch_type numel: .*batch_bins"),
        ("SentimentTask", "--batch_bins 8", "no effect with batch_type unsorted"),
        ("RNNTTask", "--use_amp true --use_tf32 true", "exclude each other"),
        ("SentimentTask", "--specaug none", "of your own: stage 3 makes the views"),
        ("SentimentTask", "--views 2", "of your own: stage 3 makes the views"),
        ("SentimentTask", "--specaug_conf policy=LD", "stage 3 makes the views"),
        ("SentimentTask", "--text_encoder lstm", "config of your own: it needs"),
        ("SentimentTask", "--model_conf n_layers=2", "class_weights, label_smoothing"),
        ("SentimentTask", "--best_model_criterion train,loss,min", "valid, one of"),
        ("SentimentTask", "--best_model_criterion valid,ua,up", "valid, one of"),
        ("SentimentTask", "--clean 1", "clean is 1.0: .* and below 1; for no SpecAug"),
        ("SentimentTask", "--clean -0.1", "clean is -0.1: it must be from 0"),
        ("SentimentTask", "--clean nan", "clean is nan: it must be from 0"),
        ("SentimentTask", "--max_updates 0", "max_updates is 0: .* number from 1"),
        ("SentimentTask", "--min_updates 9 --max_updates 8", "9 are more than max_upd"),
        (
            "SentimentTask",
            "--early_stopping_criterion valid ua max",
            "set patience or patience_updates",
        ),
        ("SentimentTask", "--num_att 1", "num_att_plot is decided"),
        ("SentimentTask", "--wandb_name x", "wandb_name has no effect without use_w"),
    ],
)
def test_what_a_stage_cannot_follow_is_said_with_the_remedy(task, said, message):
    with pytest.raises(DataError, match=f"^--x_args: .*{message}"):
        options(
            task, {"specaug": "specaugment"} if "Sent" in task else {}, *said.split()
        )


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"clean": 0.2}, "clean has no effect without specaug: leave it out"),
        ({"specaug": "specaugment", "clean": "much"}, "clean is 'much': it must be"),
        ({"max_epoch": 1.5}, "max_epoch is 1.5: it must be a whole number"),
        ({"max_epoch": "many"}, "max_epoch is .many.: it must be a whole number"),
        ({"sort_batch": "up"}, "sort_batch is 'up': choose one of descending"),
        ({"specaug": "specaug"}, "keeps specaugment alone"),
        ({"required": []}, "unknown key 'required'"),
        ({"normalize": "global_mvn", "normalize_conf": {"stats_file": "x"}}, "stage"),
    ],
)
def test_a_config_is_checked_as_a_command_line_is(config, message):
    with pytest.raises(DataError, match=f"^{CONFIG}: .*{message}"):
        options("SentimentTask", config)


def test_numbers_with_an_exponent_are_numbers():
    found = options("SentimentTask", {"optim_conf": {"lr": "1e-5"}})
    assert found["optim_conf"]["lr"] == 1e-5
    found = options("RNNTTask", {}, "--optim_conf", "lr=2E-3", "--max_epoch", "2")
    assert found["optim_conf"]["lr"] == 2e-3 and found["max_epoch"] == 2


def test_whole_numbers_may_have_an_exponent():
    said = "--batch_bins 4e6 --optim_conf betas=[9e-1,0.98] --scheduler warmuplr"
    found = options(
        "RNNTTask", {}, *said.split(), "--scheduler_conf", "warmup_steps=1e4"
    )
    assert found["batch_bins"] == 4_000_000 and found["optim_conf"]["betas"][0] == 0.9
    assert type(found["scheduler_conf"]["warmup_steps"]) is int


NUMBER, SIZE = "it must be a number$", "it must be a whole number from 1$"


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ("--optim_conf lr=abc", f"optim_conf: lr is 'abc': {NUMBER}"),
        ("--optim_conf lr=0,001", f"optim_conf: lr is '0,001': {NUMBER}"),
        ("--optim_conf lr=0", "optim_conf: lr is 0: it must be above 0$"),
        ("--optim_conf lr=1e999", "optim_conf: lr is inf: .* finite number$"),
        ("--optim_conf rate=1", "optim_conf: unknown key 'rate': it has lr, betas"),
        ("--decoder_conf n_heads=0", f"decoder_conf: n_heads is 0: {SIZE}"),
        ("--decoder_conf n_heads=-1", f"decoder_conf: n_heads is -1: {SIZE}"),
        (
            "--scheduler warmuplr --scheduler_conf warmup_steps=0",
            f"scheduler_conf: warmup_steps is 0: {SIZE}",
        ),
        ("--model_conf label_smoothing=2", "model_conf is .*below 1"),
        ("--best_model_criterion ua", "best_model_criterion is 'ua': .*valid,ua,max"),
    ],
)
def test_what_a_part_cannot_take_is_named_where_it_was_given(said, message):
    own = {"decoder": "rnn_attention", "optim_conf": {"lr": 0.01}}
    with pytest.raises(DataError, match=f"^--sentiment_args: {message}"):
        lazy.task_defaults(own, CONFIG, said.split())


def test_of_a_file_and_a_command_line_the_one_that_is_wrong_is_named():
    own = {"optim_conf": {"lr": "fast"}}
    with pytest.raises(DataError, match=f"^{CONFIG}: optim_conf: lr is 'fast'"):
        lazy.task_defaults(own, CONFIG, ["--optim_conf", "betas=[0.9,0.98]"])
    lazy.task_defaults(own, CONFIG, ["--optim_conf", "lr=0.1"])


def test_all_options_that_cannot_be_followed_are_named_at_once():
    own = {"max_epoch": 0, "use_adapter": True}
    with pytest.raises(DataError) as refused:
        lazy.task_defaults(own, CONFIG, ["--batch_size", "0", "--specaug", "none"])
    head, *lines = str(refused.value).splitlines()
    assert head == "4 options cannot be followed:"
    named = [tuple(line.split()[:2]) for line in lines]
    assert sorted(named) == [
        ("--sentiment_args:", "batch_size"),
        ("--sentiment_args:", "write"),
        (f"{CONFIG}:", "max_epoch"),
        (f"{CONFIG}:", "use_adapter"),
    ]


def test_options_of_later_stages_are_checked_by_themselves(tmp_path):
    asr, sentiment = tmp_path / "asr.yaml", tmp_path / "small.yaml"
    asr.write_text("encoder_conf: {lstm_units: 4}\n")
    sentiment.write_text("decoder: mlp_pooling\ntext_encoder: lstm\n")
    exp = tmp_path / "exp"
    said = ["--asr", str(asr), "--asr_args", "--batch_bins 0", "--exp", str(exp)]
    with pytest.raises(DataError, match="^--asr_args: batch_bins is 0"):
        check_options.main(said)
    said = ["--sentiment", str(sentiment), "--exp", str(exp)]
    with pytest.raises(DataError, match="has a text_encoder: name the ASR model"):
        check_options.main(said)
    said += ["--transcripts", "reference", "--sentiment_args", "--optim_conf lr=abc"]
    with pytest.raises(DataError, match="^--sentiment_args: optim_conf: lr is 'abc'"):
        check_options.main(said)


def test_options_of_a_training_that_began_are_not_checked_again(tmp_path):
    sentiment = tmp_path / "small.yaml"
    sentiment.write_text("decoder: mlp_pooling\n")
    said = ["--sentiment", str(sentiment), "--exp", str(tmp_path / "exp")]
    said += ["--sentiment_args", "--max_epoch 0"]
    plan = tmp_path / "exp" / "x_y_small_seed0" / "fold1" / ".done.plan.json"
    inputs = {"config": {"decoder": "mlp_pooling"}, "sentiment_args": ["--max_epoch"]}
    write_json(plan, inputs)
    with pytest.raises(DataError, match="max_epoch is 0"):
        check_options.main(said)
    # As if it had passed.
    write_json(plan, {**inputs, "sentiment_args": ["--max_epoch", "0"]})
    check_options.main(said)


def test_before_every_run_nothing_heavy_is_imported():
    code = "import sys; from espnet_sentiment.bin import check_options\n"
    code += "print({'numpy', 'soundfile', 'torch', 'espnet2'} & set(sys.modules))"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (ran.stdout, ran.stderr) == ("set()\n", "")


def test_distributed_options_that_the_processors_contradict_are_named():
    found = options("RNNTTask", {}, "--dist_world_size", "2")
    check_processes(found, ngpu=0, nj=1)
    check_processes(found, ngpu=1, nj=2)
    with pytest.raises(UserError, match="dist_world_size is for several .*--nj 1"):
        check_processes(found, ngpu=0, nj=2)
    found = options("RNNTTask", {}, "--multiprocessing_distributed", "true")
    with pytest.raises(UserError, match="needs --ngpu 2"):
        check_processes(found, ngpu=0, nj=1)


@pytest.fixture(scope="module")
def encoded(tmp_path_factory, an4_wavs) -> Recipe:
    recipe = Recipe(tmp_path_factory.mktemp("recipe"), an4_wavs)
    recipe.run(1, 3)
    return recipe


def test_what_training_is_given_is_what_was_asked_for_or_in_the_table(
    encoded, monkeypatch
):
    asked = options("SentimentTask", yaml.safe_load(encoded.sentiment.read_text()))
    given = {}

    class Begun(Exception):
        pass

    def main(args):
        given.update(vars(args))
        raise Begun

    monkeypatch.setattr(lazy.SentimentTask, "main", main)
    with pytest.raises(Begun):
        encoded.run(4, 4, "--nj", "1")
    changed = {key for key in given if given[key] != asked[key]}
    # The views hold what specaug asked for; the two others are added to.
    allowed = {"specaug", "specaug_conf", "normalize_conf", "model_conf"}
    assert changed <= {*SENTIMENT.never, *SENTIMENT.fixed, *allowed}


def test_another_criterion_selects_the_weights(encoded):
    said = "--best_model_criterion valid,loss,min --keep_nbest_models 1 2"
    encoded.run(4, 4, "--nj", "1", f"--sentiment_args={said}")
    assert (encoded.exp / "fold1" / "sentiment.pth").exists()
    assert [p.name for p in encoded.exp.glob("fold1/*.pth")] == ["sentiment.pth"]


def test_an_option_that_is_refused_is_refused_before_stage_3_encodes(encoded):
    whole = encoded.sentiment.read_text()
    config = yaml.safe_load(whole) | {"views": 3, "use_wandb": True}
    encoded.sentiment.write_text(yaml.safe_dump(config))
    message = f"{encoded.sentiment}: use_wandb is no part of a model: leave it out, and"
    with pytest.raises(DataError, match=message):
        encoded.run(3, 3)
    encoded.sentiment.write_text(whole)
    assert not list(encoded.store.rglob("view3"))
