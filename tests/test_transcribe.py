"""Transcripts by a small RNN-T, a small Whisper, Whisper base, and the corpus."""

import json
import shutil

import huggingface_hub
import lazy
import numpy as np
import pytest
import soundfile
import torch
import yaml
from asr_fixtures import CONF, Corpus, add_rnnt, write_data
from recipe_fixtures import save_small_whisper
from safetensors.torch import load_file, save_file
from transformers import WhisperForConditionalGeneration

from espnet_sentiment.asr.whisper import WhisperRecogniser
from espnet_sentiment.bin import make_features, transcribe
from espnet_sentiment.core.batches import length_batches
from espnet_sentiment.core.errors import DataError
from espnet_sentiment.core.files import read_json, read_table
from espnet_sentiment.core.stamp import DONE, read_stamp, record, write_stamp
from espnet_sentiment.data.asr_text import spoken_words
from espnet_sentiment.data.dump import DumpReader
from espnet_sentiment.encoder.huggingface_files import find_huggingface

pytestmark = pytest.mark.espnet

DECODE_BATCH = "espnet_sentiment.asr.rnnt_recogniser.decode_batch"
RNNT = CONF / "encoder" / "rnnt.yaml"
WHISPER = CONF / "encoder" / "whisper_base.yaml"
PYTORCH = {"format": "pt"}


def save_whisper(folder):
    """Save a small Whisper of English letters, and what turns its output into text."""
    from transformers import GenerationConfig, WhisperTokenizer

    weights = save_small_whisper(folder) / "model.safetensors"
    # Large ones, so that it says something else about other audio.
    save_file({k: 10 * x for k, x in load_file(weights).items()}, weights, PYTORCH)
    special = ["<pad>", "<|startoftranscript|>", "<|endoftext|>"]
    # As in Whisper, timestamps are what follows.
    tokens = [*special, "Ġ", *"abcdefghijklmnopqrstuvwxyz", "<|notimestamps|>"]
    times = [f"<|{0.02 * n:.2f}|>" for n in range(64 - len(tokens))]
    vocab = {token: index for index, token in enumerate(tokens + times)}
    tokenizer = WhisperTokenizer(vocab=vocab, merges=[], pad_token=special[0])
    tokenizer.add_special_tokens(
        {"additional_special_tokens": [special[1], tokens[-1]]}
    )
    tokenizer.save_pretrained(folder)
    GenerationConfig(
        pad_token_id=0,
        decoder_start_token_id=1,
        eos_token_id=2,
        no_timestamps_token_id=vocab[tokens[-1]],
        is_multilingual=False,
        max_length=12,
    ).save_pretrained(folder)


class Transcripts(Corpus):
    """The corpus with audio beside fbank, and two ASR models."""

    def write(self, config=RNNT, *options, model=None):
        model = model or (self.exp if config == RNNT else self.root / "whisper")
        transcribe.main(
            [
                *("--data_dir", str(self.data_dir), "--dump", str(self.dump)),
                *("--transcripts", str(config), "--transcripts_model", str(model)),
                *options,
            ]
        )
        return read_table(self.folder(config) / "text")

    def folder(self, config=RNNT):
        return self.dump / "text" / getattr(config, "stem", config) / "an4"


@pytest.fixture(scope="module")
def finished(tmp_path_factory, an4_wavs):
    """Return a corpus that both models have transcribed."""
    corpus = Transcripts(tmp_path_factory.mktemp("transcripts"))
    add_rnnt(corpus, write_data(corpus, an4_wavs))
    save_whisper(corpus.root / "whisper")
    options = ["--data_dir", str(corpus.data_dir), "--dump", str(corpus.dump)]
    make_features.main([*options, "--encoder", str(WHISPER)])
    corpus.write(RNNT)
    corpus.write(WHISPER)
    return corpus


@pytest.fixture
def fresh(tmp_path, finished):
    """Return a copy without transcripts."""
    shutil.copytree(finished.root, tmp_path / "copy")
    shutil.rmtree(tmp_path / "copy" / "dump" / "text")
    return Transcripts(tmp_path / "copy")


def test_an_rnnt_writes_what_it_learned_and_its_error_rates(finished):
    text = read_table(finished.folder() / "text")
    reference = read_table(finished.data_dir / "text")
    assert list(text) == sorted(reference)
    learned = read_table(finished.data_dir / "folds" / "1" / "train")
    assert all(text[utt] == reference[utt] for utt in learned)
    results = read_json(finished.folder() / "results.json")
    assert results["corpus"] == "an4" and results["transcripts"] == "rnnt"
    assert results["n_utterances"] == len(reference) and results["seconds"] > 0
    hits = sum(
        reference[utt] == text[utt] for utt in reference if " " not in reference[utt]
    )
    assert results["wer"]["hits"] >= hits >= 3
    assert 0 < results["cer"]["rate"] <= 1


def test_whisper_writes_a_line_for_every_utterance(finished):
    text = read_table(finished.folder(WHISPER) / "text")
    assert list(text) == sorted(read_table(finished.data_dir / "text"))
    # Letters, from a model that has learned nothing.
    assert set("".join(text.values())) <= set("abcdefghijklmnopqrstuvwxyz ")
    assert len("".join(text.values())) > len(text)


def test_batches_do_not_change_what_is_recognised(fresh, finished):
    for config in (RNNT, WHISPER):
        before = read_table(finished.folder(config) / "text")
        assert fresh.write(config, "--batch_frames", "1") == before


def test_a_beam_is_another_run(fresh, monkeypatch):
    generate, beams = WhisperForConditionalGeneration.generate, []

    def counted(self, *args, **kwargs):
        beams.append(kwargs["num_beams"])
        return generate(self, *args, **kwargs)

    monkeypatch.setattr(WhisperForConditionalGeneration, "generate", counted)
    fresh.write(WHISPER)
    fresh.write(WHISPER, "--beam_size", "3")
    # Whether the texts differ is chance.
    assert set(beams) == {1, 3} and beams == sorted(beams)
    assert read_json(fresh.folder(WHISPER) / ".done.json")["inputs"]["beam_size"] == 3


def test_a_second_run_does_nothing(finished, capsys):
    before = {p: p.stat().st_mtime_ns for p in finished.root.rglob("*[!k]")}
    finished.write(RNNT)
    finished.write(WHISPER)
    # All but the locks.
    assert before == {p: p.stat().st_mtime_ns for p in finished.root.rglob("*[!k]")}
    said = capsys.readouterr().err
    assert said.count("[stage 3: transcribe] up to date") == 2
    assert "[stage 3: WER of rnnt] WER " in said and "CER" in said


def test_a_killed_run_continues_with_what_is_left(fresh, finished, monkeypatch):
    read, seen = DumpReader.__call__, []

    def kill(reader, utt):
        if len(seen) == 3:
            raise KeyboardInterrupt
        seen.append(utt)
        return read(reader, utt)

    monkeypatch.setattr(DumpReader, "__call__", kill)
    with pytest.raises(KeyboardInterrupt):
        fresh.write(RNNT, "--batch_frames", "1")
    assert not (fresh.folder() / "text").exists()
    again = []

    def count(reader, utt):
        again.append(utt)
        return read(reader, utt)

    monkeypatch.setattr(DumpReader, "__call__", count)
    text = fresh.write(RNNT, "--batch_frames", "1")
    assert text == read_table(finished.folder() / "text")
    assert sorted(seen + again) == sorted(text) and len(seen) == 3
    assert not (fresh.folder() / "parts").exists()


def test_what_another_model_left_unfinished_is_not_kept(fresh, monkeypatch):
    recognise = lazy.RNNTRecogniser.__call__

    def kill(recogniser, speech):
        if (fresh.folder() / "parts").exists():
            raise KeyboardInterrupt
        return ["OF ANOTHER MODEL"] * len(speech)

    monkeypatch.setattr(lazy.RNNTRecogniser, "__call__", kill)
    with pytest.raises(KeyboardInterrupt):
        fresh.write(RNNT, "--batch_frames", "1")
    monkeypatch.setattr(lazy.RNNTRecogniser, "__call__", recognise)
    weights = fresh.exp / "valid.cer_transducer.ave.pth"
    state = torch.load(weights, weights_only=True)
    # Now it says nothing but the blank.
    state["joint_network.lin_out.bias"][0] = 1e4
    torch.save(state, weights)
    text = fresh.write(RNNT)
    assert len(text) > 3 and not any(text.values())
    results = read_json(fresh.folder() / "results.json")
    assert results["wer"]["deletions"] == results["n_words"]


def test_mended_transcripts_of_the_corpus_change_the_error_rates_alone(fresh):
    fresh.write(RNNT)
    stamp = (fresh.folder() / ".done.json").stat().st_mtime_ns
    before = read_json(fresh.folder() / "results.json")
    recognised = (fresh.folder() / "text").read_text()
    # Case, punctuation and noises do not count.
    utt, rest = recognised.split(" ", 1)
    text = f"{utt} [LAUGHTER] {rest.lower()}".replace("\n", "?!\n")
    (fresh.data_dir / "text").write_text(text)
    fresh.write(RNNT)
    assert before["wer"]["rate"] > 0
    assert read_json(fresh.folder() / "results.json")["wer"]["rate"] == 0
    assert (fresh.folder() / ".done.json").stat().st_mtime_ns == stamp


def test_a_checkpoint_can_be_named_instead_of_its_folder(fresh, finished):
    checkpoint = fresh.exp / "valid.cer_transducer.ave.pth"
    before = read_table(finished.folder() / "text")
    assert fresh.write(RNNT, model=checkpoint) == before


def test_the_corpus_own_transcripts_are_taken_as_they_are(fresh, capsys):
    own = fresh.data_dir / "text"
    lines = own.read_text().splitlines()
    lines[0] = f"{lines[0]} [LAUGHTER]"
    lines[1] = lines[1].split()[0]
    own.write_text("\n".join(lines) + "\n")
    fresh.write("reference")
    fresh.write("reference")
    assert (fresh.folder("reference") / "text").read_text() == own.read_text()
    assert not (fresh.folder("reference") / "results.json").exists()
    assert "up to date" in capsys.readouterr().err
    own.write_text("\n".join(lines[:-1]) + "\n")
    with pytest.raises(
        DataError, match=rf"{own} lacks (?s:.*){lines[-1].split()[0]} has no line"
    ):
        fresh.write("reference")
    own.write_text("".join(f"{line.split()[0]}\n" for line in lines))
    with pytest.raises(DataError, match=f"{own} holds no transcripts: name an ASR"):
        fresh.write("reference")


def test_without_transcripts_there_are_no_error_rates(fresh):
    (fresh.data_dir / "text").unlink()
    assert fresh.write(RNNT)
    assert not (fresh.folder() / "results.json").exists()


def test_numbers_and_spellings_stay_when_words_are_compared():
    assert spoken_words("[BREATHING] Well, it\u2019s 7 o'clock \u2013 straße!") == (
        "WELL IT'S 7 O'CLOCK STRASSE"
    )


def test_short_utterances_count_as_what_a_model_pads_them_to():
    frames = {"a": 10, "b": 20, "c": 2990, "d": 3100}
    assert list(length_batches(frames, 6000, least=3000)) == [["d"], ["c", "b"], ["a"]]


@pytest.mark.parametrize(("config", "kind"), [(RNNT, "fbank"), (WHISPER, "audio")])
def test_features_that_are_missing_name_stage_1(fresh, config, kind):
    table = next((fresh.dump / kind / "an4").glob("utt2num_[fs]*[sS]"))
    first, rest = table.read_text().split("\n", 1)
    table.write_text(rest)
    with pytest.raises(DataError, match=f"{table} is not as .* wrote it.* run stage 1"):
        fresh.write(config)
    # One that stage 1 wrote of fewer utterances.
    table.write_text(rest)
    stamp = read_stamp(table.with_name(DONE))
    rows = record([table.parent / key for key in stamp.outputs], table.parent)
    facts = {k: v for k, v in read_json(stamp.path).items() if k != "sum"}
    write_stamp(stamp.path, facts | {"outputs": rows})
    with pytest.raises(DataError, match=f"{first.split()[0]} is not in {table}: run"):
        fresh.write(config)
    shutil.rmtree(fresh.dump / kind)
    with pytest.raises(DataError, match=rf"run stage 1 \(features\) on {kind}"):
        fresh.write(config)


@pytest.mark.parametrize("option", ["--beam_size", "--batch_frames"])
def test_sizes_below_one_are_refused(finished, option):
    with pytest.raises(DataError, match=f"{option} is 0: it must be 1 or more"):
        finished.write(RNNT, option, "0")


def test_a_source_that_is_neither_reference_nor_a_file_is_refused(finished):
    with pytest.raises(
        DataError, match=r"--transcripts whisper: there is no .*rnnt.ya"
    ):
        finished.write("whisper")


def test_a_model_that_is_missing_names_this_stages_option(finished, tmp_path):
    for config in (RNNT, WHISPER):
        with pytest.raises(DataError, match="/gone.* --transcripts_model"):
            finished.write(config, model=tmp_path / "gone")


def test_an_encoder_without_a_decoder_is_refused(fresh):
    can = r"transcripts are written by Whisper .* RNN-T"
    path = fresh.root / "whisper"
    for name in ("fbank", "torchaudio_hubert_base"):
        config = CONF / "encoder" / f"{name}.yaml"
        options = [] if name == "fbank" else ["--transcripts_model", str(path)]
        with pytest.raises(DataError, match=rf"has no decoder: {can}"):
            transcribe.main(
                [
                    *("--data_dir", str(fresh.data_dir), "--dump", str(fresh.dump)),
                    *("--transcripts", str(config), *options),
                ]
            )
    settings = json.loads((path / "config.json").read_text())
    (path / "config.json").write_text(json.dumps(settings | {"model_type": "hubert"}))
    with pytest.raises(DataError, match=f"{path} is a hubert model: {can}"):
        fresh.write(WHISPER)
    for changed in ({"model": "espnet"}, {"frontend": "fbank"}):
        settings = yaml.safe_load((fresh.exp / "config.yaml").read_text())
        (fresh.exp / "config.yaml").write_text(yaml.safe_dump(settings | changed))
        with pytest.raises(DataError, match=f"{fresh.exp} is no RNN-T on fbank: {can}"):
            fresh.write(RNNT)


@pytest.mark.parametrize("name", ["tokenizer.json", "generation_config.json"])
def test_a_file_of_whispers_that_is_missing_is_named(fresh, name):
    (fresh.root / "whisper" / name).unlink()
    with pytest.raises(DataError, match=f"{name} is missing: .*--transcripts_model"):
        fresh.write(WHISPER)


def test_a_broken_tokenizer_is_named(fresh):
    (fresh.root / "whisper" / "tokenizer.json").write_text("{}")
    with pytest.raises(DataError, match="tokenizer in .*whisper cannot be loaded"):
        fresh.write(WHISPER)


def test_a_whisper_whose_decoder_is_missing_is_refused(fresh):
    weights = fresh.root / "whisper" / "model.safetensors"
    tensors = load_file(weights)
    kept = {name: x for name, x in tensors.items() if name.startswith("encoder.")}
    save_file(kept, weights, PYTORCH)
    with pytest.raises(DataError, match=r"lacks \d+ of the model's .*decoder\."):
        fresh.write(WHISPER)


def test_more_than_30_seconds_are_recognised_together_with_others(finished):
    whisper = WhisperRecogniser(finished.root / "whisper")
    noise = np.random.default_rng(0).standard_normal(35 * 16000, "f4") * 0.1
    texts = whisper([noise, noise[: 32 * 16000]])
    # Timestamps are no text.
    assert all(text and "<" not in text for text in texts)


def test_the_hub_is_asked_for_the_tokenizer_too(monkeypatch, tmp_path):
    asked = []

    def download(model, revision, cache_dir, allow_patterns):
        asked.append(set(allow_patterns))
        (tmp_path / "model.safetensors").touch()
        return str(tmp_path)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    find_huggingface("acme/ears")
    find_huggingface("acme/ears", tokenizer=True)
    more = {"generation_config.json", "tokenizer.json", "vocab.json", "merges.txt"}
    assert more <= asked[1] - asked[0] and asked[0] < asked[1]


@pytest.fixture(scope="module")
def whisper_base(whisper_dir):
    return WhisperRecogniser(whisper_dir)


def read(emodb_dir, name):
    return soundfile.read(emodb_dir / "wav" / f"{name}.wav", dtype="float32")[0]


def test_whisper_base_detects_german_and_writes_it(whisper_base, emodb_dir):
    names = ("03a01Fa", "13a02Fa", "08a04Nc")
    texts = whisper_base([read(emodb_dir, name) for name in names])
    for text, words in zip(
        texts, ("DER LAPPEN LIEGT", "AM MITTWOCH ABGEBEN", "HEUTE ABEND"), strict=True
    ):
        assert words in spoken_words(text)


def test_whisper_base_hears_an_utterance_of_more_than_30_s_to_its_end(
    whisper_base, emodb_dir
):
    names = sorted(path.stem for path in (emodb_dir / "wav").glob("1*b03*.wav"))[:8]
    speech = np.concatenate([read(emodb_dir, name) for name in names])
    end = read(emodb_dir, "13a02Fa")
    assert len(speech) > 30 * whisper_base.sample_rate
    text = spoken_words(whisper_base([np.concatenate([speech, end])])[0])
    assert text.count("WOCHENENDE") > 4 and text.endswith("MITTWOCH ABGEBEN")
