"""Word times: lattices, real speech of known pieces, files, and the entry point."""

import argparse
import itertools
import json
import math
import shutil

import lazy
import numpy as np
import pytest
import soundfile
import torch
import yaml
from asr_fixtures import CONF, Corpus, add_rnnt, write_data
from seed import SEED
from test_transcribe import save_whisper

from espnet_sentiment.asr.align_ctc import CTCAligner, label_times
from espnet_sentiment.asr.align_whisper import WhisperAligner
from espnet_sentiment.asr.boundaries import LEAST, REACH, spread, words_around
from espnet_sentiment.asr.formats import (
    read_ctm,
    read_textgrid,
    write_ctm,
    write_textgrid,
)
from espnet_sentiment.asr.pauses import pauses, trim
from espnet_sentiment.asr.spelling import spell
from espnet_sentiment.asr.words import AlignedWord, NotAlignedError, segments
from espnet_sentiment.bin import align, make_features, transcribe
from espnet_sentiment.cli.main import main
from espnet_sentiment.core.errors import DataError
from espnet_sentiment.core.files import read_json, read_table, write_table
from espnet_sentiment.data.dump import DumpReader
from espnet_sentiment.data.fbank import fbank
from espnet_sentiment.data.token_list import write_token_list
from espnet_sentiment.model.rnnt_loss import rnnt_loss

RATE = 16000
RNNT = CONF / "encoder" / "rnnt.yaml"
WHISPER = CONF / "encoder" / "whisper_base.yaml"
LETTERS = list("ABCDEFGHIJKLMNOPQRSTUVWXYZ'")


def in_order(words, duration):
    """Tell whether words lie within an utterance, in order, none without a time."""
    times = [time for word in words for time in (word.start, word.end)]
    return (
        times == sorted(times)
        and times[0] >= 0
        and times[-1] <= duration + 1e-9
        and all(word.end - word.start > 0.005 for word in words)
    )


def test_segments_cover_an_utterance_with_what_lies_between_words():
    words = [
        AlignedWord(0.5, 0.7, "A"),
        AlignedWord(0.7, 1.0, "B"),
        AlignedWord(1.25, 1.5, "C"),
    ]
    cut = segments(words, 2.0)
    assert [s.text for s in cut] == ["", "A", "B", "", "C", ""]
    assert [s.start for s in cut] == [0, *(s.end for s in cut[:-1])]
    assert cut[-1].end == 2.0
    assert segments([], 2.0) == [AlignedWord(0, 2.0, "")]


def test_boundaries_lie_halfway_between_labels_and_not_too_far_from_them():
    words = words_around("ABC", [(1.0, 1.2), (1.4, 1.5), (4.0, 4.1)], 9.0)
    assert words[0].start == pytest.approx(1.0 - REACH)
    assert words[0].end == words[1].start == pytest.approx(1.3)
    assert words[1].end == pytest.approx(1.5 + REACH)
    assert words[2] == AlignedWord(4.0 - REACH, 4.1 + REACH, "C")
    assert words_around("A", [(0.1, 0.2)], 0.3) == [AlignedWord(0.0, 0.3, "A")]


@pytest.mark.parametrize("time", [0.0, 0.7, 1.0])
def test_words_written_at_one_moment_each_get_a_time(time):
    words = spread([AlignedWord(time, time, text) for text in "ABCDE"], 1.0)
    assert in_order(words, 1.0) and [w.text for w in words] == list("ABCDE")
    assert in_order(spread([AlignedWord(time, time, "A")] * 500, 1.0), 1.0) is False
    assert spread([AlignedWord(time, time, "A")] * 500, 1.0)[-1].end <= 1.0


def speech(wav):
    return torch.from_numpy(soundfile.read(wav, dtype="float32")[0])


def test_a_pause_in_real_speech_is_found_and_taken_out_of_the_words(an4_wavs):
    first, second = (speech(wav) for wav in an4_wavs[:2])
    loud = [
        x[x.abs().argmax() - 1600 : x.abs().argmax() + 1600] for x in (first, second)
    ]
    samples = torch.cat([loud[0], torch.zeros(RATE // 2), loud[1]])
    duration = len(samples) / RATE
    (found,) = [p for p in pauses(fbank(samples, RATE)) if p[1] - p[0] > 0.4]
    begin = len(loud[0]) / RATE
    assert found == pytest.approx((begin, begin + 0.5), abs=0.04)
    words = [AlignedWord(0, 0.4, "A"), AlignedWord(0.4, duration, "B")]
    trimmed = trim(words, [found], duration)
    assert trimmed == [
        AlignedWord(0, found[0], "A"),
        AlignedWord(found[1], duration, "B"),
    ]
    # A breath between two pauses is no word's.
    trimmed = trim(words, [(0.25, 0.32), (0.45, 0.6)], duration)
    assert trimmed == [AlignedWord(0, 0.25, "A"), AlignedWord(0.6, duration, "B")]
    # A word as long as the pause keeps a moment.
    (kept,) = trim([AlignedWord(0, 0.5, "A")], [(0.0, 0.49)], 0.5)
    assert kept.end - kept.start == pytest.approx(LEAST)
    noise = 0.2 * torch.randn(
        len(samples), generator=torch.Generator().manual_seed(SEED)
    )
    assert pauses(fbank(samples + noise, RATE)) == []


def test_the_best_path_is_the_best_of_all_paths():
    torch.manual_seed(SEED)
    frames, labels = 5, 4
    for _ in range(20):
        blank, label = torch.randn(frames, labels + 1), torch.randn(frames, labels)

        def score(at, blank=blank, label=label):
            written = [sum(frame <= t for frame in at) for t in range(frames - 1)]
            return sum(float(label[t, u]) for u, t in enumerate(at)) + sum(
                float(blank[t, u]) for t, u in enumerate(written)
            )

        paths = itertools.combinations_with_replacement(range(frames), labels)
        assert tuple(lazy.best_path(blank, label).tolist()) == max(paths, key=score)


def test_the_best_path_is_a_part_of_what_the_loss_sums_over():
    torch.manual_seed(SEED)
    frames, targets = 6, torch.tensor([[1, 2, 1]])
    # One path has nearly all the probability.
    at, logits = [1, 1, 4], torch.zeros(1, frames, 4, 3)
    for t in range(frames):
        u = sum(frame < t for frame in at)
        for label in targets[0, u : sum(frame <= t for frame in at)]:
            logits[0, t, u, label] = 30.0
            u += 1
        logits[0, t, u, 0] = 30.0
    log_probs = logits.log_softmax(-1)[0]
    label = log_probs[:, :-1].gather(2, targets[0].expand(frames, -1)[..., None])
    assert lazy.best_path(log_probs[..., 0], label[..., 0]).tolist() == at
    loss = rnnt_loss(logits, targets, torch.tensor([frames]), torch.tensor([3]))
    assert float(loss) == pytest.approx(0.0, abs=1e-4)


def test_one_frame_takes_all_labels():
    assert lazy.best_path(torch.zeros(1, 4), torch.zeros(1, 3)).tolist() == [0, 0, 0]


def test_ctc_labels_begin_where_their_spikes_are():
    path = [0, 1, 1, 0, 1, 2, 0, 0]
    log_probs = torch.full((len(path), 3), math.log(0.01))
    log_probs[range(len(path)), path] = math.log(0.98)
    times = label_times(log_probs, torch.tensor([1, 1, 2]), 0.08)
    assert times == pytest.approx([0.08, 0.32, 0.40])
    # Two frames hold two labels, but not the same one twice.
    assert len(label_times(log_probs[4:6], torch.tensor([1, 2]), 0.08)) == 2
    with pytest.raises(NotAlignedError, match="2 frames are too few for 2 labels"):
        label_times(log_probs[4:6], torch.tensor([1, 1]), 0.08)


def test_words_are_spelled_as_the_model_knows_them():
    index = {token: i for i, token in enumerate(["<space>", *LETTERS])}
    spelling = spell("Könnt' ich [LAUGHTER] da-oben \u2013 7", list, index, "<space>")
    assert spelling.words == ["Könnt'", "ich", "da-oben"]
    assert spelling.left_out == ["[LAUGHTER]", "\u2013", "7"]
    text = "".join(["<space>", *LETTERS][i] for i in spelling.labels)
    assert text == "KONNT<space>ICH<space>DAOBEN"
    assert spelling.of_words(range(99)) == [(0, 4), (6, 8), (10, 15)]
    words = {"[LAUGHTER]": 3, "yes": 4}
    spelling = spell("YES, [LAUGHTER]", lambda word: [word], words)
    assert spelling.labels == [4, 3] and spelling.words == ["YES,", "[LAUGHTER]"]
    with pytest.raises(NotAlignedError, match="can spell no word of '7'"):
        spell("7", list, index)
    with pytest.raises(NotAlignedError, match="the transcript is empty"):
        spell(" ", list, index)


def test_a_ctm_holds_the_times_to_the_millisecond(tmp_path):
    words = {
        "b": [
            AlignedWord(0.1234, 0.4567, 'He"s'),
            AlignedWord(0.4567, 1.0, "[LAUGHTER]"),
        ],
        "a": [AlignedWord(0, 0.5, "Ähm")],
        "c": [],
    }
    write_ctm(tmp_path / "ctm", words)
    lines = (tmp_path / "ctm").read_text().splitlines()
    assert lines[0] == "a 1 0.000 0.500 Ähm" and lines[1] == 'b 1 0.123 0.334 He"s'
    read = read_ctm(tmp_path / "ctm")
    assert read["b"] == [
        AlignedWord(0.123, 0.457, 'He"s'),
        AlignedWord(0.457, 1.0, "[LAUGHTER]"),
    ]
    assert list(read) == ["a", "b"]
    (tmp_path / "ctm").write_text(";; by another tool\na A 1 0.5 yes 0.9\nb 1 x\n")
    with pytest.raises(DataError, match="ctm:3 is not 'utterance channel start"):
        read_ctm(tmp_path / "ctm")
    with pytest.raises(DataError, match="gone is missing: run"):
        read_ctm(tmp_path / "gone")


def test_a_textgrid_is_read_as_it_was_written(tmp_path):
    path = tmp_path / "a.TextGrid"
    words = [
        AlignedWord(0.25, 0.5, 'say "no" 7'),
        AlignedWord(0.5, 1.0, '"'),
        AlignedWord(1.5, 2.0, "ß"),
    ]
    write_textgrid(path, words, 2.5)
    assert read_textgrid(path) == words
    text = path.read_text()
    assert 'text = "say ""no"" 7"' in text and "intervals: size = 6" in text
    path.write_text(text, encoding="utf-16")
    assert read_textgrid(path) == words
    with pytest.raises(DataError, match="no interval tier 'phones'"):
        read_textgrid(path, "phones")


def test_praats_short_format_and_other_tiers_are_read(tmp_path):
    path = tmp_path / "a.TextGrid"
    path.write_text(
        'File type = "ooTextFile"\nObject class = "TextGrid"\n\n0\n1.5\n<exists>\n2\n'
        '"TextTier"\n"clicks"\n0\n1.5\n1\n0.3\n"x"\n'
        '"IntervalTier"\n"words"\n0\n1.5\n2\n0\n1\n""\n1\n1.5\n"a ""b"""\n'
    )
    assert read_textgrid(path) == [AlignedWord(1.0, 1.5, 'a "b"')]
    for broken in (path.read_text()[:-12], "", '"ooTextFile" "Pitch" 0 1 <exists> 1'):
        path.write_text(broken)
        with pytest.raises(DataError, match="a.TextGrid is no TextGrid"):
            read_textgrid(path)
    with pytest.raises(DataError, match="gone is missing"):
        read_textgrid(tmp_path / "gone")


class Aligned(Corpus):
    """The corpus, and an RNN-T that knows a part of it by heart."""

    def align(self, config=RNNT, *options, model=None):
        align.main(
            [
                *("--data_dir", str(self.data_dir), "--dump", str(self.dump)),
                *("--transcripts", str(config)),
                *("--transcripts_model", str(model or self.exp), *options),
            ]
        )
        return read_ctm(self.folder(config) / "ctm")

    def folder(self, config=RNNT):
        return self.dump / "align" / config.stem / "an4"

    def learned(self):
        text = read_table(self.data_dir / "text")
        return {u: text[u] for u in read_table(self.data_dir / "folds" / "1" / "train")}


@pytest.fixture(scope="module")
def finished(tmp_path_factory, an4_wavs):
    corpus = Aligned(tmp_path_factory.mktemp("aligned"))
    add_rnnt(corpus, write_data(corpus, an4_wavs))
    options = ["--data_dir", str(corpus.data_dir), "--dump", str(corpus.dump)]
    make_features.main([*options, "--encoder", str(WHISPER)])
    save_whisper(corpus.root / "whisper")
    path = corpus.root / "whisper" / "generation_config.json"
    heads = {"alignment_heads": [[0, 0], [0, 1]], "max_length": 448}
    path.write_text(json.dumps(read_json(path) | heads))
    corpus.align()
    return corpus


@pytest.fixture
def fresh(tmp_path, finished):
    shutil.copytree(finished.root, tmp_path / "copy")
    shutil.rmtree(tmp_path / "copy" / "dump" / "align")
    return Aligned(tmp_path / "copy")


def test_every_word_of_real_speech_gets_its_time_in_both_formats(finished):
    text = read_table(finished.data_dir / "text")
    frames = read_table(finished.fbank / "utt2num_frames")
    ctm = read_ctm(finished.folder() / "ctm")
    assert list(ctm) == sorted(text)
    for utt, words in ctm.items():
        duration = 0.01 * int(frames[utt]) + 0.015
        assert " ".join(word.text for word in words) == text[utt]
        assert in_order(words, duration + 0.001)
        grid = read_textgrid(finished.folder() / "textgrid" / f"{utt}.TextGrid")
        assert [w.text for w in grid] == [w.text for w in words]
        assert [w.start for w in grid] == pytest.approx(
            [w.start for w in words], abs=0.001
        )
    assert not (finished.folder() / "parts").exists()
    assert read_table(finished.folder() / "unaligned") == {}


def test_an_rnnt_finds_the_boundary_between_two_recordings(finished):
    model = lazy.load_rnnt(finished.exp)
    wavs, text = read_table(finished.data_dir / "wav.scp"), finished.learned()
    rnnt = lazy.RNNTAligner(model, list, 0.08)
    errors = []
    for first, second in itertools.permutations(text, 2):
        pieces = [speech(wavs[utt]) for utt in (first, second)]
        aligned = rnnt(fbank(torch.cat(pieces), RATE), f"{text[first]} {text[second]}")
        boundary = len(pieces[0]) / RATE
        # The recordings begin and end in silence.
        errors += [max(0.0, aligned.words[0].end - boundary)]
        errors += [max(0.0, boundary - aligned.words[1].start)]
    assert np.mean(errors) < 0.08


def test_a_second_run_does_nothing_and_another_method_is_another_run(finished, capsys):
    before = {p: p.stat().st_mtime_ns for p in finished.root.rglob("*[!k]")}
    finished.align()
    # All but the locks.
    assert before == {p: p.stat().st_mtime_ns for p in finished.root.rglob("*[!k]")}
    assert "[align] up to date" in capsys.readouterr().err
    with pytest.raises(DataError, match=r"was trained without CTC \(ctc_weight 0\)"):
        finished.align(RNNT, "--method", "ctc")
    with pytest.raises(DataError, match="--method whisper: .* aligns by rnnt"):
        finished.align(RNNT, "--method", "whisper")


def test_what_cannot_be_aligned_is_listed_and_stops_nothing_else(fresh, capsys):
    text = read_table(fresh.data_dir / "text")
    empty, long, odd, *others = sorted(text)
    text |= {empty: "", long: "A " * 2000, odd: f"[LAUGHTER] {text[odd]}"}
    lines = (f"{utt} {text[utt]}\n" for utt in [*others, long, odd])
    (fresh.data_dir / "text").write_text("".join(lines))
    ctm = fresh.align()
    assert set(ctm) == {odd, *others}
    unaligned = read_table(fresh.folder() / "unaligned")
    assert unaligned[empty] == "the transcript is empty"
    assert "frames are too few for 3999 labels" in unaligned[long]
    assert read_table(fresh.folder() / "left_out") == {odd: "[LAUGHTER]"}
    said = capsys.readouterr().err
    assert "2 utterances cannot be aligned" in said and "are left out" in said
    grids = {path.stem for path in (fresh.folder() / "textgrid").iterdir()}
    assert grids == {odd, *others}


def test_command_aligns_as_the_stage_does_from_anywhere(
    fresh, finished, monkeypatch, capsys
):
    config = fresh.root / "rnnt.yaml"
    config.write_text(RNNT.read_text())
    # Where the recipe is not the current folder, its paths still are its own.
    monkeypatch.chdir(fresh.root)
    command = ["align", "data/an4", "--encoder", "rnnt.yaml", "--encoder_model", "exp"]
    command[-1] += f"/{fresh.exp.name}"
    assert main(command) == 0
    assert capsys.readouterr().out == "dump/align/rnnt/an4\n"
    times = read_ctm(finished.folder() / "ctm")
    assert read_ctm(fresh.folder() / "ctm") == times
    monkeypatch.chdir(fresh.root.parent)
    name = fresh.root.name
    command = [word.replace("data/", f"{name}/data/") for word in command]
    command[3:] = [f"{name}/rnnt.yaml", "--encoder_model", str(fresh.exp)]
    assert main(command) == 0
    said = capsys.readouterr()
    assert said.out == f"{name}/dump/align/rnnt/an4\n" and "up to date" in said.err


def test_command_has_status_1_where_an_utterance_cannot_be_aligned(fresh, capsys):
    text = read_table(fresh.data_dir / "text")
    write_table(fresh.data_dir / "text", text | {min(text): ""})
    command = ["align", str(fresh.data_dir), "--encoder", str(RNNT)]
    assert main([*command, "--encoder_model", str(fresh.exp)]) == 1
    assert "1 utterances cannot be aligned" in capsys.readouterr().err
    assert main([*command, "--encoder_model", "gone/"]) == 2
    assert main([*command[:3], "gone.yaml"]) == 2
    errors = capsys.readouterr().err
    assert "by --encoder_model" in errors and "gone.yaml is missing" in errors
    assert "transcripts_model" not in errors


def test_a_killed_run_continues_with_what_is_left(fresh, finished, monkeypatch):
    read, seen = DumpReader.__call__, []

    def interrupted(reader, utt):
        if len(seen) == 3:
            raise KeyboardInterrupt
        seen.append(utt)
        return read(reader, utt)

    monkeypatch.setattr(DumpReader, "__call__", interrupted)
    monkeypatch.setattr(align, "PART_FRAMES", 1)
    with pytest.raises(KeyboardInterrupt):
        fresh.align()
    again = []

    def counted(reader, utt):
        again.append(utt)
        return read(reader, utt)

    monkeypatch.setattr(DumpReader, "__call__", counted)
    assert fresh.align() == read_ctm(finished.folder() / "ctm")
    assert sorted(seen + again) == sorted(read_table(fresh.data_dir / "text"))


def test_what_the_model_recognised_is_aligned_where_there_is_no_other_text(fresh):
    (fresh.data_dir / "text").unlink()
    with pytest.raises(DataError, match="rnnt/an4/text is missing: transcribe the set"):
        fresh.align()
    transcribe.main(
        [
            *("--data_dir", str(fresh.data_dir), "--dump", str(fresh.dump)),
            *("--transcripts", str(RNNT), "--transcripts_model", str(fresh.exp)),
        ]
    )
    ctm = fresh.align()
    text = read_table(fresh.dump / "text" / "rnnt" / "an4" / "text")
    assert ctm
    for utt, words in ctm.items():
        assert " ".join(word.text for word in words) == text[utt]


def test_the_auxiliary_ctc_aligns_if_the_rnnt_has_one(fresh, finished):
    config = fresh.exp / "config.yaml"
    settings = yaml.safe_load(config.read_text())
    settings["model_conf"] = {"ctc_weight": 0.5}
    config.write_text(yaml.safe_dump(settings))
    weights = fresh.exp / "valid.cer_transducer.ave.pth"
    state = torch.load(weights, weights_only=True)
    torch.manual_seed(SEED)
    size = (len(settings["token_list"]), settings["encoder_conf"]["projection_size"])
    state |= {
        "ctc.ctc_lo.weight": torch.randn(size),
        "ctc.ctc_lo.bias": torch.zeros(size[0]),
    }
    torch.save(state, weights)
    ctm = fresh.align(RNNT, "--method", "ctc")
    text = read_table(fresh.data_dir / "text")
    for utt, words in ctm.items():
        assert " ".join(word.text for word in words) == text[utt]
        assert in_order(words, words[-1].end)
    assert ctm != read_ctm(finished.folder() / "ctm")
    assert read_json(fresh.folder() / ".done.json")["inputs"]["method"] == "ctc"


@pytest.mark.parametrize("token_type", ["bpe", "word"])
def test_pieces_and_words_are_labels_too(fresh, token_type):
    text = read_table(fresh.data_dir / "text")
    utt = min(text)
    text[utt] += " [LAUGHTER]"
    write_table(fresh.data_dir / "text", text)
    options = write_token_list(fresh.exp, token_type, text.values(), nbpe=40)
    config = fresh.exp / "config.yaml"
    tokens = (fresh.exp / "tokens.txt").read_text().splitlines()
    settings = yaml.safe_load(config.read_text())
    settings |= {"token_type": token_type, "bpemodel": options.get("bpemodel")}
    settings["token_list"] = tokens
    config.write_text(yaml.safe_dump(settings))
    stats = {"stats_file": str(fresh.exp / "feats_stats.npz")}
    args = argparse.Namespace(**settings | {"normalize_conf": stats})
    torch.manual_seed(SEED)
    model = lazy.RNNTTask.build_model(args)
    torch.save(model.state_dict(), fresh.exp / "valid.cer_transducer.ave.pth")
    ctm = fresh.align()
    assert {utt: " ".join(w.text for w in words) for utt, words in ctm.items()} == text
    assert ctm[utt][-1].text == "[LAUGHTER]"
    assert all(in_order(words, words[-1].end) for words in ctm.values())


def test_whisper_aligns_what_it_is_given_but_brackets(finished):
    whisper = WhisperAligner(finished.root / "whisper")
    waveform = 0.1 * np.random.default_rng(0).standard_normal(2 * RATE, "f4")
    alignment = whisper(waveform, "one two [LAUGHTER] three")
    assert [word.text for word in alignment.words] == ["one", "two", "three"]
    assert alignment.left_out == ["[LAUGHTER]"] and in_order(alignment.words, 2.0)
    assert whisper(waveform, "one two [LAUGHTER] three") == alignment
    with pytest.raises(NotAlignedError, match="31.0 s are more than Whisper hears"):
        whisper(np.zeros(31 * RATE, "f4"), "one")
    with pytest.raises(NotAlignedError, match="the transcript has no words"):
        whisper(waveform, "[LAUGHTER]")
    with pytest.raises(NotAlignedError, match=r"\d+ tokens are too many for Whisper"):
        whisper(waveform, "one " * 300)


def test_whisper_of_a_set_reads_its_audio(fresh):
    ctm = fresh.align(WHISPER, model=fresh.root / "whisper")
    assert set(ctm) == set(read_table(fresh.data_dir / "text"))


def test_a_whisper_without_alignment_heads_is_refused(fresh):
    path = fresh.root / "whisper" / "generation_config.json"
    settings = read_json(path)
    del settings["alignment_heads"]
    path.write_text(json.dumps(settings))
    with pytest.raises(DataError, match="json names no alignment_heads: copy"):
        fresh.align(WHISPER, model=fresh.root / "whisper")


@pytest.fixture(scope="module")
def small_ctc(tmp_path_factory):
    """Save a small Wav2Vec2ForCTC of English letters that has learned nothing."""
    from transformers import (
        Wav2Vec2Config,
        Wav2Vec2CTCTokenizer,
        Wav2Vec2FeatureExtractor,
        Wav2Vec2ForCTC,
    )

    folder = tmp_path_factory.mktemp("ctc")
    vocab = ["<pad>", "<s>", "</s>", "<unk>", "|", *LETTERS]
    (folder / "vocab.json").write_text(json.dumps({t: i for i, t in enumerate(vocab)}))
    torch.manual_seed(SEED)
    config = Wav2Vec2Config(
        vocab_size=len(vocab),
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        conv_dim=[8] * 7,
        num_conv_pos_embeddings=16,
        num_conv_pos_embedding_groups=2,
        pad_token_id=0,
    )
    Wav2Vec2ForCTC(config).save_pretrained(folder)
    Wav2Vec2FeatureExtractor().save_pretrained(folder)
    Wav2Vec2CTCTokenizer(folder / "vocab.json").save_pretrained(folder)
    return folder


def test_a_ctc_model_of_transformers_aligns_a_set(fresh, small_ctc):
    assert CTCAligner(small_ctc).frame_shift == pytest.approx(0.02)
    ctm = fresh.align(WHISPER, model=small_ctc)
    text = read_table(fresh.data_dir / "text")
    assert {utt: " ".join(w.text for w in words) for utt, words in ctm.items()} == text
    assert all(in_order(words, words[-1].end) for words in ctm.values())
    (small_ctc / "vocab.json").rename(small_ctc / "gone.json")
    with pytest.raises(DataError, match="tokenizer in .* cannot be loaded"):
        CTCAligner(small_ctc)


def test_bad_input_names_the_remedy(fresh, tmp_path):
    with pytest.raises(DataError, match="--transcripts gone.yaml: there is no such"):
        align.main(["--data_dir", str(fresh.data_dir), "--transcripts", "gone.yaml"])
    with pytest.raises(DataError, match="/gone.* --transcripts_model"):
        fresh.align(model=tmp_path / "gone")
    table = fresh.fbank / "utt2num_frames"
    table.write_text(table.read_text().split("\n", 1)[1])
    with pytest.raises(DataError, match=f"{table} is not as .* wrote it.* run stage 1"):
        fresh.align()
    shutil.rmtree(fresh.fbank)
    with pytest.raises(DataError, match=r"run stage 1 \(features\) on fbank"):
        fresh.align()


def test_whisper_base_finds_where_one_german_sentence_follows_another(
    whisper_dir, emodb_dir
):
    whisper = WhisperAligner(whisper_dir)
    sentences = {
        "03a01Nc": "Der Lappen liegt auf dem Eisschrank.",
        "03a02Nc": "Das will sie am Mittwoch abgeben.",
    }
    pieces = [
        soundfile.read(emodb_dir / "wav" / f"{name}.wav", dtype="float32")[0]
        for name in sentences
    ]
    words = whisper(np.concatenate(pieces), " ".join(sentences.values())).words
    boundary = len(pieces[0]) / RATE
    assert words[5].text == "Eisschrank." and words[6].text == "Das"
    assert words[5].end == pytest.approx(boundary, abs=0.2)
    assert words[6].start == pytest.approx(boundary, abs=0.2)
    assert in_order(words, sum(map(len, pieces)) / RATE)
