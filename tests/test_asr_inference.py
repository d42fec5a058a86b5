"""Decoding and scoring of a small RNN-T on AN4's real utterances."""

import json
import re
import shutil
import subprocess
import sys

import kaldiio
import lazy
import numpy as np
import pytest
import torch
import yaml
from asr_fixtures import EPOCHS, Corpus, add_rnnt, write_data

from espnet_sentiment.asr.transcribe import transcribe
from espnet_sentiment.core.batches import length_batches
from espnet_sentiment.core.errors import DataError, UserError
from espnet_sentiment.core.files import read_json, read_table
from espnet_sentiment.core.lock import writing
from espnet_sentiment.data.dump import DumpReader
from espnet_sentiment.encoder.espnet_asr import ESPnetEncoder
from espnet_sentiment.recipe.stage import DONE, Stage

pytestmark = pytest.mark.espnet


@pytest.fixture(scope="module")
def finished(tmp_path_factory, an4_wavs):
    """Return a corpus all of whose utterances are decoded and scored."""
    corpus = Corpus(tmp_path_factory.mktemp("asr"))
    add_rnnt(corpus, write_data(corpus, an4_wavs))
    corpus.decode("--part", "train", "test")
    corpus.score()
    return corpus


@pytest.fixture
def fresh(tmp_path, finished):
    """Return a copy of which nothing is decoded."""
    shutil.copytree(finished.root, tmp_path / "asr")
    corpus = Corpus(tmp_path / "asr")
    for folder in corpus.exp.glob("decode_*"):
        shutil.rmtree(folder)
    return corpus


def test_what_the_model_learned_is_recognised(finished):
    folder = finished.exp / "decode_an4_train"
    assert len(finished.text("train")) == 3
    assert (folder / "text").read_text() == (folder / "ref").read_text()
    utts = [line.split()[0] for line in (folder / "text").read_text().splitlines()]
    assert utts == sorted(read_table(finished.data_dir / "folds" / "1" / "train"))


def test_results_add_up_from_every_utterance(finished):
    results = read_json(finished.exp / "results.json")
    assert results["asr_exp"] == "asr_an4_small" and results["seed"] == 0
    assert results["config"]["input_size"] == 80 and "torch" in results["versions"]
    assert results["seconds"]["decode_an4_test"] > 0
    assert len(results["history"]["train_loss"]) == EPOCHS
    assert list(results["decode"]) == ["an4_test", "an4_train"]
    learned = results["decode"]["an4_train"]
    assert learned["wer"]["rate"] == 0 and learned["cer"]["ci95"] == [0, 0]
    unseen = results["decode"]["an4_test"]
    lines = (finished.exp / "decode_an4_test" / "per_utt.jsonl").read_text()
    rows = [json.loads(line) for line in lines.splitlines()]
    assert [row["utt"] for row in rows] == sorted(finished.text("test"))
    assert unseen["n_utterances"] == len(rows)
    assert unseen["n_words"] == sum(len(row["ref"].split()) for row in rows)
    for rate, unit in (("wer", "words"), ("cer", "characters")):
        for kind in ("hits", "substitutions", "deletions", "insertions"):
            assert unseen[rate][kind] == sum(row[unit][kind] for row in rows)
    # It has learned three words alone.
    assert unseen["wer"]["rate"] > 0.5
    low, high = unseen["cer"]["ci95"]
    assert low <= unseen["cer"]["rate"] <= high


def test_reports_are_written_and_the_table_is_printed(finished, capsys):
    finished.score()
    table = capsys.readouterr().out.strip()
    assert "| an4_train | 3 | 3 | 0.00 | 0.00 | 0.00 | 0.00 | 0.00 |" in table
    assert table in (finished.exp / "RESULTS.md").read_text()
    assert (finished.exp / "learning_curve.png").stat().st_size > 1000
    pictures = (finished.exp / "decode_an4_train" / "result.txt").read_text()
    for utt, text in finished.text("train").items():
        assert f"{utt}\nREF: {text}\nHYP: {text}\n" in pictures


def test_the_averaged_checkpoint_is_an_encoder_whatever_selected_epochs(fresh):
    averaged = fresh.exp / "valid.cer_transducer.ave.pth"
    # ESPnet's own name, to which the other one is a link.
    averaged.rename(fresh.exp / "valid.cer_transducer.ave_3best.pth")
    averaged.symlink_to("valid.cer_transducer.ave_3best.pth")
    assert ESPnetEncoder(str(fresh.exp)).output_size() == 32


def test_a_second_run_does_nothing(finished, capsys):
    before = {p: p.stat().st_mtime_ns for p in finished.root.rglob("*[!k]")}
    finished.decode("--part", "train", "test")
    finished.score()
    # All but the locks.
    assert before == {p: p.stat().st_mtime_ns for p in finished.root.rglob("*[!k]")}
    assert capsys.readouterr().err.count("up to date") == 3


def test_decoding_does_not_depend_on_the_batch(fresh):
    fresh.decode("--part", "all", "--batch_frames", "1")
    apart = fresh.text("all")
    shutil.rmtree(fresh.exp / "decode_an4_all")
    fresh.decode("--part", "all")
    assert fresh.text("all") == apart
    assert len(set(apart.values())) >= 3


def test_beam_search_has_its_own_folder_and_scores(fresh):
    fresh.decode("--part", "train", "--beam_size", "3")
    assert fresh.text("train_beam3") == read_table(
        fresh.exp / "decode_an4_train_beam3" / "ref"
    )
    assert fresh.score()["decode"]["an4_train_beam3"]["wer"]["rate"] == 0


def test_an_empty_transcript_has_insertions_alone(fresh):
    utt = min(read_table(fresh.data_dir / "folds" / "1" / "train"))
    table = fresh.data_dir / "text"
    table.write_text(re.sub(rf"(?m)^{utt} .*$", utt, table.read_text()))
    fresh.decode("--part", "train")
    scores = fresh.score()["decode"]["an4_train"]
    assert (scores["n_utterances"], scores["n_words"]) == (3, 2)
    assert scores["wer"]["insertions"] == 1 and scores["wer"]["rate"] == 0.5
    assert (
        f"\n{utt}\nREF: *"
        in "\n" + (fresh.exp / "decode_an4_train" / "result.txt").read_text()
    )


def test_all_utterances_need_no_folds_and_changed_inputs_are_decoded_anew(
    fresh, capsys
):
    shutil.rmtree(fresh.data_dir / "folds")
    fresh.decode("--part", "all")
    assert sorted(fresh.text("all")) == sorted(read_table(fresh.data_dir / "text"))
    weights = fresh.exp / "valid.cer_transducer.ave.pth"
    state = torch.load(weights, weights_only=True)
    # Now it says nothing but the blank.
    state["joint_network.lin_out.bias"][0] = 1e4
    torch.save(state, weights)
    with pytest.raises(DataError, match="holds nothing that .* recognised"):
        fresh.score()
    fresh.decode("--part", "all")
    assert not any(fresh.text("all").values())
    assert "up to date" not in capsys.readouterr().err
    scores = fresh.score()["decode"]["an4_all"]
    assert scores["wer"]["deletions"] == scores["n_words"]


def change_config(corpus, **changed):
    path = corpus.exp / "config.yaml"
    path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | changed))


def test_a_token_list_of_another_length_is_refused(fresh):
    tokens = (fresh.exp / "tokens.txt").read_text().splitlines()
    message = rf"has {len(tokens) - 1} tokens, but .*ave.pth writes {len(tokens)}: rest"
    (fresh.exp / "tokens.txt").write_text("\n".join(tokens[:-1]) + "\n")
    with pytest.raises(DataError, match=f"tokens.txt {message}"):
        fresh.decode()
    (fresh.exp / "tokens.txt").unlink()
    change_config(fresh, token_list=tokens[:-1])
    with pytest.raises(DataError, match=f"config.yaml {message}"):
        fresh.decode()
    change_config(fresh, token_list=None)
    with pytest.raises(DataError, match="config.yaml has no list"):
        fresh.decode()


def test_a_token_list_in_another_order_is_refused(fresh):
    tokens = (fresh.exp / "tokens.txt").read_text().splitlines()
    tokens[3:5] = reversed(tokens[3:5])
    (fresh.exp / "tokens.txt").write_text("\n".join(tokens) + "\n")
    with pytest.raises(
        DataError, match=r"token 3 is .* in .*tokens.txt, but .* in .*c"
    ):
        fresh.decode()


def test_missing_and_broken_files_are_named(fresh):
    checkpoint = fresh.exp / "valid.cer_transducer.ave.pth"
    whole = checkpoint.read_bytes()
    checkpoint.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match=r"ave.pth cannot be read .* train again"):
        fresh.decode()
    torch.save({"decoder": torch.zeros(1)}, checkpoint)
    with pytest.raises(DataError, match="is no RNN-T's checkpoint"):
        fresh.decode()
    checkpoint.write_bytes(whole)
    (fresh.exp / "valid.loss.ave.pth").write_bytes(whole)
    with pytest.raises(DataError, match="holds 2 averaged checkpoints"):
        fresh.decode()
    (fresh.exp / "valid.loss.ave.pth").unlink()
    change_config(fresh, decoder_conf={"hidden_size": 25})
    with pytest.raises(DataError, match=r"config.yaml and .*ave.pth do not fit"):
        fresh.decode()
    checkpoint.unlink()
    with pytest.raises(DataError, match=r"no checkpoint valid.\*.ave.pth: train"):
        fresh.decode()


def test_an_utterance_without_features_or_transcript_is_named(fresh):
    utt = min(read_table(fresh.data_dir / "folds" / "1" / "test"))
    for path, message in (
        (fresh.fbank / "feats.scp", "no features in"),
        (fresh.data_dir / "text", "no line in"),
    ):
        whole = path.read_text()
        path.write_text(re.sub(rf"(?m)^{utt} .*\n", "", whole))
        with pytest.raises(DataError, match=f"{utt} has {message}"):
            fresh.decode()
        path.write_text(whole)
    shutil.rmtree(fresh.fbank)
    with pytest.raises(DataError, match="fbank/an4 is not complete: run stage 1"):
        fresh.decode()


def test_an_utterance_too_short_for_the_encoder_is_named(finished, tmp_path):
    scp = str(tmp_path / "feats.scp")
    recogniser = lazy.RNNTRecogniser(lazy.load_rnnt(finished.exp))
    frames = {"long": np.zeros((20, 80), "f4"), "short": np.zeros((7, 80), "f4")}
    kaldiio.save_ark(str(tmp_path / "feats.ark"), frames, scp=scp)
    files = [tmp_path / "feats.scp", tmp_path / "feats.ark"]
    Stage("stage 1: fbank", tmp_path / DONE, {}, 1).finish(None, files)
    with pytest.raises(DataError, match=r"utterance short .* is too short: .*7 frames"):
        transcribe(
            recogniser,
            DumpReader(tmp_path, "fbank", recogniser.sample_rate),
            {"long": 20, "short": 7},
            60,
            tmp_path / "parts",
            "frames",
        )


def test_batches_hold_as_many_frames_as_they_may_the_longest_first():
    frames = {"a": 10, "b": 40, "c": 11, "d": 9, "e": 100}
    assert list(length_batches(frames, 30)) == [["e"], ["b"], ["c", "a"], ["d"]]
    assert list(length_batches({}, 30)) == []
    few = list(length_batches(frames, 1000, most=2))
    assert few == [["e", "b"], ["c", "a"], ["d"]]


def test_an_unfinished_decoding_is_not_scored(fresh):
    with pytest.raises(DataError, match=r"holds no decode_\* folder"):
        fresh.score()
    fresh.decode("--part", "train")
    (fresh.exp / "decode_an4_train" / ".done.json").unlink()
    with pytest.raises(DataError, match="holds nothing that .* recognised"):
        fresh.score()


@pytest.mark.parametrize("option", ["--beam_size", "--batch_frames"])
def test_sizes_below_one_are_refused(option, finished):
    with pytest.raises(DataError, match=f"{option} is 0: it must be 1 or more"):
        finished.decode(option, "0")


def test_scoring_imports_neither_torch_nor_espnet():
    code = (
        "import sys, espnet_sentiment.bin.asr_score, espnet_sentiment.report.plots, "
        "espnet_sentiment.scoring.error_rates, espnet_sentiment.scoring.results; "
        "print([m for m in ('torch', 'espnet2') if m in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert found.stdout.strip() == "[]", found.stderr


def test_a_learning_curve_that_was_changed_is_not_scored(fresh):
    history = fresh.exp / "history.json"
    stage = Stage("stage 2: training", fresh.exp / DONE, {}, 1)
    stage.finish(None, [history, fresh.exp / "config.yaml"])
    fresh.decode("--part", "train")
    fresh.score()
    history.write_text(history.read_text().replace("30.0", "20.0", 1))
    with pytest.raises(DataError, match=r"history.json is not as .*run stage 2 again"):
        fresh.score()


def test_statistics_that_were_changed_recognise_nothing(fresh):
    stats = fresh.exp / "feats_stats.npz"
    Stage("stage 2: training", fresh.exp / DONE, {}, 1).finish(None, [stats])
    stats.write_bytes(stats.read_bytes()[:-1])
    with pytest.raises(DataError, match=r"stats.npz is not as .*run stage 2 again"):
        fresh.decode("--part", "train")


def test_a_training_that_has_not_ended_recognises_nothing(fresh):
    Stage("stage 2: training", fresh.exp / DONE, {}, 1).start()
    with pytest.raises(DataError, match=r"is not complete: run stage 2 \(training"):
        fresh.decode("--part", "train")


def test_an_experiment_that_is_trained_is_not_decoded_meanwhile(fresh):
    with writing(fresh.exp), pytest.raises(UserError, match="is in use by process"):
        fresh.decode("--part", "train")
