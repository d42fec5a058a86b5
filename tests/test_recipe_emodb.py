"""EmoDB: its layout, its errors, and the whole recipe on the real corpus."""

import os
import re
import shutil
from pathlib import Path

import pytest
import soundfile
from recipe_fixtures import clone_recipe, recipe_module, run_recipe

from espnet_sentiment.core.errors import DataError
from espnet_sentiment.core.files import read_json, read_table
from espnet_sentiment.data.folds import read_folds

RECIPE = Path(__file__).parents[1] / "egs" / "emodb"


@pytest.fixture(scope="module")
def prepare():
    with recipe_module("emodb") as module:
        yield module


@pytest.fixture
def corpus(tmp_path, an4_wavs):
    """Write a small tree of EmoDB's layout with real speech in it."""
    folder = tmp_path / "emodb" / "wav"
    folder.mkdir(parents=True)
    names = [
        f"{s}{t}{e}a.wav"
        for s in ("03", "08", "11")
        for t in ("a01", "b03")
        for e in "WLN"
    ]
    samples, rate = soundfile.read(an4_wavs[0])
    for name in names:
        soundfile.write(folder / name, samples, rate)
    return folder.parent


def run(prepare, tmp_path, corpus, *options):
    data_dir = tmp_path / "data" / "emodb"
    prepare.main(["--emodb", str(corpus), "--data_dir", str(data_dir), *options])
    return data_dir


def test_speaker_sentence_and_emotion_are_read_off_the_file_name(
    prepare, tmp_path, corpus, capsys
):
    data_dir = run(prepare, tmp_path, corpus)
    labels = read_table(data_dir / "utt2label")
    assert set(labels.values()) == {"anger", "neutral"} and len(labels) == 12
    assert read_table(data_dir / "utt2spk")["08b03Na"] == "08"
    text = read_table(data_dir / "text")
    assert text["03a01Wa"] == "Der Lappen liegt auf dem Eisschrank."
    assert [f.name for f in read_folds(data_dir)] == ["1", "2", "3"]
    assert "WARNING: 6 utterances of anger, but the corpus has 127" in (
        capsys.readouterr().err
    )


def test_all_classes_keeps_the_other_emotions(prepare, tmp_path, corpus):
    data_dir = run(prepare, tmp_path, corpus, "--all_classes")
    assert "boredom" in read_table(data_dir / "utt2label").values()


def test_neither_tested_speakers_nor_tested_sentences_train_or_validate(
    prepare, tmp_path, corpus, capsys
):
    run(prepare, tmp_path, corpus)
    said = "of 12 tested utterances, {0} have their group in train, {0} in valid"
    assert said.format(12) in capsys.readouterr().err
    data_dir = run(prepare, tmp_path, corpus, "--folds", "speaker+sentence")
    assert said.format(0) in capsys.readouterr().err
    groups, folds = read_table(data_dir / "utt2group"), read_folds(data_dir)
    assert groups["08b03Na"] == "b03" and len(folds) == 6
    assert sorted(u for fold in folds for u in fold.test) == sorted(groups)
    for fold in folds:
        ((speaker, sentence),) = {(utt[:2], utt[2:5]) for utt in fold.test}
        for utt in (*fold.train, *fold.valid):
            assert utt[:2] != speaker and utt[2:5] != sentence
        assert [len(p) for p in (fold.train, fold.valid, fold.test)] == [2, 2, 2]


def test_other_folds_give_experiments_another_name_and_need_stage_0(clone, corpus):
    result = run_recipe(clone, "--folds", "sentence")
    assert result.returncode == 2
    assert "--folds 'sentence' must be speaker or speaker+sentence" in result.stderr
    options = ["--emodb", corpus, "--folds", "speaker+sentence", "--stop_stage", "0"]
    result = run_recipe(clone, *options)
    assert result.returncode == 0, result.stderr
    result = run_recipe(clone, "--stage", "1")
    assert result.returncode == 2
    assert "was prepared with --folds speaker+sentence, not with" in result.stderr
    (clone / "data" / "emodb" / "options").write_text("\n")
    result = run_recipe(clone, "--stage", "1")
    assert "was prepared with other options, not with --folds speaker" in result.stderr


def test_the_folder_wav_itself_is_taken_too(prepare, tmp_path, corpus):
    assert len(read_table(run(prepare, tmp_path, corpus / "wav") / "wav.scp")) == 12


def test_a_wrong_path_and_an_empty_folder_name_the_remedy(prepare, tmp_path):
    with pytest.raises(DataError, match="nowhere does not exist: give the folder"):
        run(prepare, tmp_path, tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="empty holds no recordings named like"):
        run(prepare, tmp_path, tmp_path / "empty")
    assert not (tmp_path / "data").exists()


def test_an_unknown_emotion_is_named(prepare, tmp_path, corpus):
    wav = corpus / "wav" / "03a01Xa.wav"
    shutil.copy(corpus / "wav" / "03a01Wa.wav", wav)
    with pytest.raises(DataError, match=f"{wav}: unknown emotion 'X'"):
        run(prepare, tmp_path, corpus)
    wav.unlink()
    assert run(prepare, tmp_path, corpus).is_dir()


def test_a_download_that_is_not_the_corpus_is_refused(
    prepare, tmp_path, corpus, monkeypatch
):
    archive = shutil.make_archive(str(tmp_path / "emodb"), "zip", corpus)
    monkeypatch.setattr(prepare, "download", lambda url, path, option: archive)
    with pytest.raises(DataError, match="not the corpus that this recipe knows"):
        prepare.main(["--downloads", str(tmp_path / "downloads")])


def test_the_real_corpus_has_its_counts_and_its_samples(
    prepare, emodb_dir, tmp_path, capsys
):
    data_dir = run(prepare, tmp_path, emodb_dir)
    assert "WARNING" not in capsys.readouterr().err
    assert len(read_table(data_dir / "utt2label")) == 339
    assert len(read_folds(data_dir)) == 10
    folds = read_folds(run(prepare, tmp_path, emodb_dir, "--folds", "speaker+sentence"))
    sizes = [[len(part) for part in (f.train, f.valid, f.test)] for f in folds]
    assert len(folds) == 30 and sum(test for *_, test in sizes) == 339
    assert list(map(min, *sizes)) == [151, 10, 5]
    assert list(map(max, *sizes)) == [205, 30, 18]
    wavs = prepare.find_wavs(emodb_dir)
    assert prepare.samples_sha256(wavs) == prepare.SAMPLES_SHA256


def test_help_names_every_option_and_an_unknown_one_is_refused():
    result = run_recipe(RECIPE, "--help")
    assert result.returncode == 0
    for option in ("--emodb", "--stage", "--stop_stage", "--encoder", "--sentiment"):
        assert option in result.stdout


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--stagee", "1"], "unknown option --stagee"),
        (["--corpus", "other"], "unknown option --corpus"),
        (["--stage=3"], "write --stage 3"),
        (["--lr=3"], "there is no --lr here: --sentiment_args '--optim_conf lr=...'"),
        (["--stage"], "--stage needs a value"),
        (["--stage", "7"], "--stage '7' must be a number from 0 to 6"),
        (
            ["--stage", "4", "--stop_stage", "3"],
            "--stop_stage 3 comes before --stage 4",
        ),
        (["--ngpu", "2"], "--ngpu '2' must be 0 or 1: one GPU is used; more"),
        (["--expdir", "/disk"], "there is no --expdir here: .*: ln -s .* exp "),
        (["--dumpdir", "/disk"], "there is no --dumpdir here: .* dump "),
        (["--skip_train", "true"], "there is no --skip_train here: --stage 5 begins"),
        (["--skip-eval"], "there is no --skip-eval here: --stop_stage 4 ends"),
        (["--inference_nj", "4"], "there is no --inference_nj here: --nj N"),
        (["--hf_repo", "me/it"], "there is no --hf_repo here: .* --push OWNER/NAME"),
        (["--epochs", "9"], "there is no --epochs here: .*_args '--max_epoch ...'"),
        (["--seed", "abc"], "--seed 'abc' must be a whole number"),
        (["--tag", "a/b"], "--tag 'a/b' must be letters"),
        (["--nj", "0"], "--nj '0' must be a number from 1"),
        (["--channel", "2"], "--channel '2' must be 0, 1 or mix"),
        (["--all_classes", "yes"], "--all_classes takes no value, but got 'yes'"),
        (
            ["--encoder", "whisper"],
            "--encoder 'whisper' does not exist; conf/encoder holds",
        ),
        (
            ["--sentiment", "a.yaml"],
            "--sentiment 'a.yaml' does not exist; conf/sentiment",
        ),
        (
            ["--compare_with", "b"],
            "--compare_with 'b' does not exist; conf/encoder holds",
        ),
        (
            ["--transcripts", "referense"],
            "--transcripts 'referense' does not exist; conf",
        ),
    ],
)
def test_a_bad_option_is_refused_at_once(options, message):
    result = run_recipe(RECIPE, *options)
    assert result.returncode == 2
    assert re.match(f"error: {message}", result.stderr)
    assert result.stderr.count("\n") == 1


def test_all_options_that_are_none_are_refused_at_once():
    options = ["--expdir", "a", "--skip_train", "--stagee", "1", "b", "--lr=3"]
    result = run_recipe(RECIPE, "--stop_stage", "0", *options)
    head, *lines = result.stderr.splitlines()
    assert result.returncode == 2
    assert head == "error: 4 options are none here (see --help)"
    for line, name in zip(lines, ("expdir", "skip_train", "stagee", "lr"), strict=True):
        assert f" --{name}" in line


def test_all_classes_are_a_set_of_their_own_and_missing_ones_are_said(clone, corpus):
    options = ["--emodb", corpus, "--all_classes", "--stop_stage", "0"]
    result = run_recipe(clone, *options)
    assert result.returncode == 0, result.stderr
    assert "WARNING: 0 utterances of fear, but the corpus has 69" in result.stderr
    assert (clone / "data" / "emodb_all" / "utt2label").exists()


@pytest.fixture
def clone(tmp_path):
    return clone_recipe("emodb", tmp_path / "clone")


@pytest.fixture(scope="module")
def trained(tmp_path_factory, emodb_dir, whisper_dir):
    """Run the recipe on three real speakers; return its folder, options, experiment."""
    root = tmp_path_factory.mktemp("trained")
    clone = clone_recipe("emodb", root / "clone")
    corpus = root / "three" / "wav"
    corpus.mkdir(parents=True)
    for wav in sorted((emodb_dir / "wav").glob("*.wav")):
        if wav.name[:2] in ("03", "08", "10"):
            (corpus / wav.name).symlink_to(wav)
    sentiment = root / "quick.yaml"
    sentiment.write_text(
        "specaug: specaugment\nspecaug_conf: {policy: LB, fill: mean}\nviews: 1\n"
        "normalize: global_mvn\nmax_epoch: 8\n"
    )
    options = ["--emodb", corpus.parent, "--encoder_model", whisper_dir]
    options += ["--sentiment", sentiment, "--align_words"]
    result = run_recipe(clone, *options)
    assert result.returncode == 0, result.stderr[-3000:]
    return clone, options, clone / "exp" / "emodb_whisper_base_quick_seed0"


@pytest.mark.recipe
def test_the_recipe_runs_from_wavs_to_results(trained):
    clone, options, exp = trained
    results = read_json(exp / "results.json")
    assert results["n_utterances"] == len(read_table(clone / "data/emodb/utt2label"))
    # Eight epochs on one speaker: far from done, yet well above the majority class.
    assert results["pooled"]["ua"] > results["majority"]["ua"] + 0.2
    assert (exp / "fold1" / "sentiment.pth").stat().st_size < 2 * 2**20
    again = run_recipe(clone, *options)
    assert again.returncode == 0 and again.stderr.count("up to date") == 5 + 2 * 3 + 4


@pytest.mark.recipe
def test_its_report_is_read_and_heard_in_a_browser(trained, open_page):
    clone, _, exp = trained
    texts = read_table(clone / "data" / "emodb" / "text")
    page = open_page(exp / "report.html")
    row, word = ".rows .row", ".sentence button:not(.gap)"
    everyone = page.locator(row).count()
    page.select_option("[name=label]", "anger")
    assert 0 < page.locator(row).count() < everyone
    page.select_option("[name=label]", "")
    page.check("[name=embedded]")
    # Which are embedded depends on what the model takes for what.
    first = page.inner_text(f"{row} >> nth=0")
    (text,) = (text for utt, text in texts.items() if utt in first)
    longest = max(re.findall(r"\w+", text), key=len)
    page.fill("[name=search]", longest.lower())
    assert longest in page.inner_text(f"{row} >> nth=0")
    page.locator(row).first.click()
    page.wait_for_function("document.querySelector('audio').readyState > 0")
    words = page.locator(word).all_inner_texts()
    assert " ".join(words) in page.inner_text(f"{row} >> nth=0")
    page.locator(word).nth(1).click()
    page.wait_for_selector(f"{word}.now")
    assert page.inner_text(f"{word}.now") in words


def test_a_wrong_corpus_path_ends_the_recipe_with_one_line(clone):
    result = run_recipe(clone, "--emodb", "/nowhere", "--stop_stage", "0")
    assert result.returncode == 1
    assert result.stderr.strip().splitlines()[-1].startswith("error: --emodb /nowhere")
    assert os.listdir(clone) and not (clone / "data").exists()
