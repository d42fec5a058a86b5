import json
import subprocess
import sys

import lazy
import numpy as np
import pytest
import torch
import yaml
from seed import SEED

from espnet_sentiment.cli.main import COMMANDS, main
from espnet_sentiment.core.errors import DataError
from espnet_sentiment.core.escape import one_line
from espnet_sentiment.core.files import hash_file, write_json
from espnet_sentiment.encoder.reference import encoder_reference
from espnet_sentiment.model.build import CLASS_PATHS, build_model, class_of
from espnet_sentiment.model.checkpoint import save_checkpoint

HEAVY = ("numpy", "torch", "torchaudio", "transformers", "espnet2", "dask", "gradio")
CLASSES = ["bad", "good"]


def training_args(**options):
    """Return a training config on features of fbank."""
    args = lazy.SentimentTask.get_parser().parse_args([])
    vars(args).update(
        token_list=CLASSES,
        input_size=80,
        encoder=None,
        encoder_conf={},
        **options,
    )
    return args


@pytest.fixture(scope="module", name="fold")
def untrained_fold(tmp_path_factory):
    """Return a fold on fbank, as stage 4 leaves it but for what it has learned."""
    exp = tmp_path_factory.mktemp("recipe") / "exp" / "an4_fbank_rnn_attention_seed0"
    fold = exp / "fold1"
    fold.mkdir(parents=True)
    reference = encoder_reference("none", {})
    args = training_args(encoder_reference=reference)
    (fold / "config.yaml").write_text(yaml.safe_dump(vars(args)))
    torch.manual_seed(SEED)
    state = build_model(args).state_dict()
    save_checkpoint(fold / "sentiment.pth", state, reference)
    return fold


def run_command(*argv, before="", after="", **options):
    """Run the command in another process."""
    code = (
        "import sys; from espnet_sentiment.cli.main import main\n"
        f"{before}\ntry: status = main()\nexcept SystemExit as e: status = e.code\n"
        f"{after}\nsys.exit(status)"
    )
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, argv)],
        capture_output=True,
        text=True,
        **options,
    )


def test_help_names_every_command_and_imports_nothing_heavy():
    loaded = f"print([n for n in {HEAVY} if n in sys.modules])"
    ran = run_command("--help", after=loaded)
    assert ran.returncode == 0 and ran.stdout.endswith("[]\n")
    for name in COMMANDS:
        assert f"    {name} " in ran.stdout or f"    {name}\n" in ran.stdout


@pytest.mark.parametrize("name", COMMANDS)
def test_command_has_help(name, capsys):
    with pytest.raises(SystemExit) as status:
        main([name, "--help"])
    assert status.value.code == 0
    assert f"usage: espnet-sentiment {name}" in capsys.readouterr().out


def test_answering_does_without_trainer_and_plots(fold, an4_wavs):
    unwanted = ("espnet2.tasks.abs_task", "transformers", "sklearn", "matplotlib")
    left = f"print([n for n in {unwanted} if n in sys.modules])"
    argv = ["predict", "--csv", "-m", fold, an4_wavs[0], an4_wavs[1]]
    ran = run_command(*argv, after=left)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert len(ran.stdout.splitlines()) == 4 and ran.stdout.endswith("[]\n")


def test_reader_that_has_enough_ends_it_quietly(fold, an4_wavs):
    # The reading end is closed before there is anything to read.
    close = "import os; r, w = os.pipe(); os.dup2(w, 1); os.close(r); os.close(w)"
    ran = run_command("predict", "--json", "-m", fold, an4_wavs[0], before=close)
    assert (ran.returncode, ran.stderr) == (0, "")


@pytest.mark.parametrize("argv", [[], ["predict"], ["guess"], ["predict", "--no", "a"]])
def test_wrong_usage_is_status_2(argv, capsys):
    with pytest.raises(SystemExit) as status:
        main(argv)
    assert status.value.code == 2
    assert "usage: espnet-sentiment" in capsys.readouterr().err


def test_interruption_is_status_130(monkeypatch, capsys):
    def interrupt(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr("espnet_sentiment.pack.find.find_model", interrupt)
    assert main(["info", "x"]) == 130
    assert "interrupted" in capsys.readouterr().err


def test_completion_is_a_script_of_the_shell(tmp_path, capsys):
    scripts = {}
    for shell in ("bash", "zsh", "tcsh", "fish"):
        assert main(["completion", shell]) == 0
        scripts[shell] = capsys.readouterr().out
        assert "predict" in scripts[shell]
    script = tmp_path / "completion.bash"
    script.write_text(scripts["bash"])
    function = "complete -p espnet-sentiment | sed 's/.*-F \\([^ ]*\\).*/\\1/'"
    for words, expected in [
        ("predict --tr", ["--transcript"]),
        ("pl", ["plot"]),
        ("plot --al", ["--alignment"]),
        ("deletion --encoder", ["--encoder_model"]),
        ("align --method w", ["whisper"]),
        (f"tables {tmp_path}/comp", [str(script)]),
        (f"align --encoder {tmp_path}/comp", [str(script)]),
    ]:
        ask = (
            f". {script}; COMP_WORDS=(espnet-sentiment {words}); "
            f"COMP_CWORD={len(words.split())}; "
            f"$({function}) 2>/dev/null; echo ${{COMPREPLY[@]}}"
        )
        ran = subprocess.run(["bash", "-c", ask], capture_output=True, text=True)
        assert ran.stdout.split() == expected


def test_info_tells_what_a_model_is(fold, capsys):
    assert main(["info", str(fold), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    weights = fold / "sentiment.pth"
    assert told["classes"] == CLASSES
    assert told["decoder_file"] == {
        "path": str(weights),
        "size": weights.stat().st_size,
        "sha256": hash_file(weights),
    }
    assert main(["info", str(fold)]) == 0
    text = capsys.readouterr().out
    for part_of_it in ("bad, good", "rnn_attention", hash_file(weights), "fbank"):
        assert part_of_it in text


def test_info_takes_the_model_as_predict_does(fold, capsys):
    assert main(["info", str(fold)]) == 0
    told = capsys.readouterr().out
    assert main(["info", "-m", str(fold)]) == 0
    assert capsys.readouterr().out == told
    with pytest.raises(SystemExit) as status:
        main(["info", "a", "--model", "b"])
    assert status.value.code == 2
    assert "name one model" in capsys.readouterr().err


def test_info_tells_metrics_and_versions_of_the_experiment(fold, capsys):
    results = {
        "corpus": "an4",
        "n_utterances": 7,
        "pooled": {"wa": 0.5, "ua": 0.25},
        "folds": [{"fold": "1", "n_test": 7, "wa": 0.5, "ua": 0.25}],
        "versions": {"torch": "2.14.1"},
    }
    write_json(fold.parent / "results.json", results)
    write_json(fold / "history.json", {"valid_ua": [0.5, 0.75]})
    try:
        assert main(["info", str(fold.parent)]) == 0
    finally:
        (fold.parent / "results.json").unlink()
        (fold / "history.json").unlink()
    text = capsys.readouterr().out
    assert "WA 50.00 %, UA 25.00 %" in text and "7 utterances" in text
    assert "validation     UA 75.00 %" in text and "torch 2.14.1" in text


def test_info_says_that_the_encoder_is_not_there(fold, tmp_path, capsys):
    copy = tmp_path / "fold1"
    copy.mkdir()
    args = training_args()
    missing = str(tmp_path / "moved")
    args.encoder_reference = {
        "name": "huggingface",
        "path": missing,
        "sha256": "0" * 64,
    }
    (copy / "config.yaml").write_text(yaml.safe_dump(vars(args)))
    (copy / "sentiment.pth").write_bytes((fold / "sentiment.pth").read_bytes())
    assert main(["info", str(copy)]) == 0
    assert (
        f"{missing} (not there: give it by --encoder_model)" in capsys.readouterr().out
    )


def test_messages_do_not_command_the_terminal():
    assert one_line("a\nb\x1b[31m\udcff é 语") == r"a\nb\x1b[31m\udcff é 语"


def test_parts_are_those_of_the_task():
    for choices in lazy.SentimentTask.class_choices_list:
        if choices.name == "encoder":
            continue
        ours = {
            name: class_of(kind, name)
            for kind, name in CLASS_PATHS
            if kind == choices.name
        }
        assert ours == {k: v for k, v in choices.classes.items() if v is not None}


def test_unknown_part_is_named_with_those_there_are():
    with pytest.raises(DataError, match="'gru'.*rnn_attention, rnn_pooling"):
        class_of("decoder", "gru")


def configs(tmp_path):
    """Give configs that together name most parts."""
    stats = tmp_path / "stats.npz"
    ones = np.ones(80)
    np.savez(stats, count=np.array(4), sum=ones, sum_square=2 * ones)
    normalize = {
        "normalize": "global_mvn",
        "normalize_conf": {"stats_file": str(stats)},
    }
    for name in (
        "rnn_attention",
        "rnn_pooling",
        "mlp_pooling",
        "stats_pooling",
        "cnn_pooling",
        "linear",
    ):
        yield training_args(decoder=name, **normalize)
    yield training_args(
        text_encoder="lstm",
        text_token_list=["<unk>", "eleven", "<sos/eos>"],
        model_conf={"class_weights": [1.0, 2.0]},
    )
    audio = training_args(specaug="specaugment", specaug_conf={"policy": "LB"})
    audio.input_size = None
    yield audio


def test_model_is_the_one_that_the_task_builds(tmp_path):
    for args in configs(tmp_path):
        torch.manual_seed(SEED + 1)
        expected = lazy.SentimentTask.build_model(args)
        torch.manual_seed(SEED + 1)
        found = build_model(args)
        assert str(found) == str(expected)
        state, expected_state = found.state_dict(), expected.state_dict()
        assert state.keys() == expected_state.keys()
        assert all(torch.equal(state[k], expected_state[k]) for k in state)
