"""Commands on a scored experiment, wherever it and the user are."""

import re

import pytest
from report_experiment import Scored

from espnet_sentiment.bin import plot_attention, report
from espnet_sentiment.cli.main import main
from espnet_sentiment.core.errors import DataError
from espnet_sentiment.core.files import read_json, write_json
from espnet_sentiment.recipe.experiment import Experiment


@pytest.fixture(name="scored")
def scored_experiment(tmp_path, an4_wavs):
    return Scored(tmp_path / "recipe", an4_wavs[:8])


def test_report_is_written_again_from_anywhere(scored, tmp_path, monkeypatch, capsys):
    page = scored.write_report()
    expected = page.read_text()
    page.unlink()
    monkeypatch.chdir(tmp_path)
    assert main(["report", f"recipe/exp/{scored.dir.name}"]) == 0
    assert f"recipe/exp/{scored.dir.name}/report.html" in capsys.readouterr().out
    assert str(scored.ctm) in expected
    assert page.read_text() == expected.replace(f"{scored.root}/dump", "dump")


def test_report_says_which_recordings_it_lacks(scored, capsys):
    scored.utts[scored.names[1]].unlink()
    assert main(["report", str(scored.dir)]) == 0
    said = capsys.readouterr().err
    assert re.match(r"\[stage 6: report .*\] WARNING: 1 of 8 recordings cannot", said)


def test_report_and_stage_6_leave_each_other_s_page(scored, monkeypatch, capsys):
    monkeypatch.chdir(scored.root)
    options = [o.replace(f"{scored.root}/", "") for o in map(str, scored.options())]
    report.main(options)
    assert main(["report", f"exp/{scored.dir.name}"]) == 0
    written = (scored.dir / "report.html").stat().st_mtime_ns
    capsys.readouterr()
    report.main(options)
    assert capsys.readouterr().err.rstrip().endswith("up to date")
    assert (scored.dir / "report.html").stat().st_mtime_ns == written


@pytest.mark.parametrize("command", ["report", "plot --utt a", "deletion"])
def test_no_experiment_says_what_is_missing(command, tmp_path, capsys):
    name, *options = command.split()
    assert main([name, str(tmp_path), *options]) == 2
    assert f"{tmp_path} holds no results.json" in capsys.readouterr().err
    folder = tmp_path / "exp" / "x"
    write_json(folder / "results.json", {"corpus": "an4"})
    assert main([name, str(folder), *options]) == 2
    assert "does not say config, encoder, seed, sentiment" in capsys.readouterr().err
    names = {"corpus": "an4", "encoder": "a", "sentiment": "b", "seed": 0}
    names["config"] = {"encoder": {"encoder": None, "encoder_conf": {}}}
    write_json(folder / "results.json", names)
    assert main([name, str(folder), *options]) == 2
    assert f"{tmp_path}/data/an4 is missing" in capsys.readouterr().err


def test_plot_draws_what_its_stage_draws(scored, tmp_path, monkeypatch, capsys):
    expected = tmp_path / "expected.svg"
    chosen = ["--utt", *scored.names[:3]]
    plot_attention.main(scored.options(*chosen, "--out", expected))
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    named = f"../recipe/exp/{scored.dir.name}"
    capsys.readouterr()
    assert main(["plot", named, *chosen, "--out", "why.svg"]) == 0
    assert capsys.readouterr().out == "why.svg\n"
    assert (tmp_path / "elsewhere" / "why.svg").read_text() == expected.read_text()
    assert main(["plot", named, *chosen]) == 0
    assert capsys.readouterr().out == f"{named}/attention.pdf\n"
    assert (scored.dir / "attention.pdf").is_file()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--utt nobody", "--utt nobody has no attention over words"),
        ("--utt {utt} --head 3", "there are heads 1 to 2"),
        ("--utt {utt} --alignment other", "no dump/align/other/an4/ctm"),
    ],
)
def test_plot_errors_are_status_2_and_say_what_to_do(scored, options, message, capsys):
    asked = options.format(utt=scored.names[0]).split()
    assert main(["plot", str(scored.dir), *asked]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["plot", "x"], "--utt"),
        (["plot"], "EXPERIMENT"),
        (["deletion"], "EXPERIMENT"),
        (["deletion", "x", "--shares", "a"], "invalid float"),
        (["align", "data/x"], "--encoder"),
        (["align", "data/x", "--encoder", "y", "--method", "z"], "invalid choice"),
        (["tables"], "DATA_DIR"),
    ],
)
def test_wrong_usage_names_what_is_missing(argv, message, capsys):
    with pytest.raises(SystemExit) as status:
        main(argv)
    assert status.value.code == 2
    said = capsys.readouterr().err
    assert f"usage: espnet-sentiment {argv[0]}" in said and message in said


def test_deletion_of_a_model_without_attention_is_refused(scored, capsys):
    scored.write_decoded(attention=False)
    assert main(["deletion", str(scored.dir)]) == 2
    assert "the model has no attention to test" in capsys.readouterr().err


def test_experiment_is_known_by_its_results_whatever_its_folders_are_called(scored):
    names = {"encoder": "whisper.v3", "sentiment": "rnn_attention_rnnt_v1.5", "seed": 7}
    path = scored.dir / "results.json"
    write_json(path, read_json(path) | names | {"config": {"encoder": {"a": 1}}})
    moved = scored.dir.rename(scored.dir.with_name("mine"))
    data = scored.data_dir.rename(scored.root / "speech")
    with pytest.raises(DataError, match=re.escape("name it by --data_dir")):
        Experiment.from_folder(moved)
    found = Experiment.from_folder(moved, data, scored.root / "features")
    assert found.name == "whisper.v3_rnn_attention_rnnt_v1.5_seed7"
    assert (found.corpus, str(found.dir)) == ("an4", "exp/mine")
    assert str(found.fold_dir("2")) == "exp/mine/fold2"
    assert found.data_dir == data
    assert found.store == scored.root / "features" / "whisper.v3" / "an4"
    assert found.encoder_config == {"a": 1}
