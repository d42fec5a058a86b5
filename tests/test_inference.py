"""Speech2Sentiment on real speech, beside what the stages compute."""

import faulthandler
import io
import itertools
import json
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import kaldiio
import lazy
import numpy as np
import pytest
import soundfile
import torch
import transformers
from asr_fixtures import Corpus, add_rnnt, write_data
from espnet2.utils.yaml_no_alias_safe_dump import yaml_no_alias_safe_dump
from recipe_fixtures import Recipe, save_small_whisper
from seed import SEED
from test_transcribe import save_whisper

from espnet_sentiment.core.errors import DataError, UserError
from espnet_sentiment.core.files import read_json, write_json, write_text
from espnet_sentiment.core.threads import worker_pool
from espnet_sentiment.encoder.build import build_encoder
from espnet_sentiment.encoder.packed_linear import PackedLinear, can_pack, pack_linears
from espnet_sentiment.encoder.reference import encoder_reference
from espnet_sentiment.encoder.speech_encoder import SpeechEncoder
from espnet_sentiment.inference import long_recordings
from espnet_sentiment.inference.batching import WINDOW
from espnet_sentiment.inference.speech2sentiment import Speech2Sentiment
from espnet_sentiment.layers.padding import pad
from espnet_sentiment.model.checkpoint import save_checkpoint
from espnet_sentiment.model.layout import CHECKPOINT
from espnet_sentiment.scoring.predictions import read_predictions

pytestmark = pytest.mark.espnet

CLASSES = ["a", "b", "c"]
RATE = 16000
FORK = multiprocessing.get_context("fork")
SMALL = {"hidden_size": 8, "n_heads": 2, "head_size": 4}


def save_model(folder, encoder, conf, **options):
    """Save a sentiment model whose decoder has learned nothing."""
    args = lazy.SentimentTask.get_parser().parse_args([])
    size = build_encoder(encoder, conf)
    settings = {
        "token_list": CLASSES,
        "encoder": encoder,
        "encoder_conf": conf,
        "input_size": size.output_size(),
        "normalize": "utterance_mvn",
        "normalize_conf": {"norm_vars": True},
        "decoder_conf": SMALL,
        "model_conf": {"n_layers": size.n_layers},
    }
    vars(args).update(settings | options)
    torch.manual_seed(SEED)
    model = lazy.SentimentTask.build_model(args)
    for weight in model.parameters():
        # So that other speech has other posteriors.
        weight.data.mul_(3)
    save_checkpoint(
        folder / CHECKPOINT, model.state_dict(), encoder_reference(encoder, conf)
    )
    write_text(folder / "config.yaml", yaml_no_alias_safe_dump(vars(args)))
    return folder


def load(folder, **options):
    return Speech2Sentiment(folder / "config.yaml", folder / CHECKPOINT, **options)


def posteriors(answers):
    return np.array([list(answer.posteriors.values()) for answer in answers])


@pytest.fixture(scope="module")
def whisper(tmp_path_factory):
    """Return the folder of a model on a small Whisper's layers."""
    root = tmp_path_factory.mktemp("whisper")
    conf = {"model": str(save_small_whisper(root / "encoder")), "subsample": 4}
    return save_model(root / "model", "huggingface", conf | {"layer": "weighted_sum"})


@pytest.fixture(scope="module")
def model(whisper):
    return load(whisper)


@pytest.fixture(scope="module")
def waves(an4_wavs):
    return [soundfile.read(path, dtype="float32")[0] for path in an4_wavs[:12]]


def test_audio_frames_and_stored_features_are_classified_alike(model, waves):
    classifier = model._classifier
    expected = classifier(waves[:2])
    encoder = classifier.encoder
    frames = encoder.encoder.frontend(*pad(waves[:2], torch.device("cpu")))
    feats, lengths = encoder(waves[:2])
    stored = [x[:n].half().numpy() for x, n in zip(feats, lengths, strict=True)]
    for found in (classifier.from_frames(*frames), classifier.from_store(stored)):
        for row, other in zip(found, expected, strict=True):
            np.testing.assert_array_equal(row.posteriors, other.posteriors)
            np.testing.assert_array_equal(row.attention, other.attention)


@pytest.fixture(scope="module")
def conversation(waves):
    """Return 23 s of speech: utterances with a second of silence after each."""
    pause = np.zeros(RATE, np.float32)
    return np.concatenate([x for wave in waves for x in (wave, pause)])


def test_predictions_and_attention_are_those_of_stage_5(tmp_path, an4_wavs):
    recipe = Recipe(tmp_path, an4_wavs[:12])
    recipe.run(1, 5, "--nj", "1")
    fold = recipe.exp / "fold1"
    rows = {
        row["utt"]: row for row in read_predictions(fold / "decode/predictions.jsonl")
    }
    attention = kaldiio.load_scp(str(fold / "decode" / "attention.scp"))
    paths = {f"{p.parent.name}-{p.stem}": p for p in an4_wavs[:12]}
    answers = Speech2Sentiment.from_pretrained(fold).predict(paths[u] for u in rows)
    for (utt, row), answer in zip(rows.items(), answers, strict=True):
        assert answer.label == row["prediction"]
        assert answer.posteriors == pytest.approx(row["posteriors"], abs=1e-5)
        np.testing.assert_allclose(answer.attention, attention[utt], atol=1e-5)
        assert answer.duration == soundfile.info(paths[utt]).duration


def test_one_recording_has_the_whole_answer(model, waves):
    answer = model(waves[0])
    assert model.classes == CLASSES and model.sample_rate == RATE
    assert answer.label == max(answer.posteriors, key=answer.posteriors.get)
    assert sum(answer.posteriors.values()) == pytest.approx(1)
    assert answer.duration == len(waves[0]) / RATE
    np.testing.assert_allclose(answer.attention.sum(axis=1), 1, rtol=1e-5)
    # 10 ms, halved by Whisper, averaged by 4.
    assert answer.frame_shift == pytest.approx(0.08)
    assert answer.attention.shape == (2, -(-len(waves[0]) // 160 // 2 // 4))
    [segment] = answer.segments
    assert (segment.start, segment.end) == (0, answer.duration)
    assert (segment.label, segment.posteriors) == (answer.label, answer.posteriors)
    assert answer.text is None and answer.words is None
    as_dict = json.loads(json.dumps(answer.as_dict()))
    assert as_dict.keys() == {"label", "posteriors", "duration"}
    as_dict = json.loads(json.dumps(answer.as_dict(attention=True)))
    assert len(as_dict["attention"]) == 2


def test_any_iterable_is_answered_in_its_order(model, an4_wavs, waves):
    order = np.random.default_rng(0).integers(len(waves), size=40)
    alone = posteriors(map(model, waves))
    together = posteriors(model.predict(an4_wavs[i] for i in order))
    np.testing.assert_allclose(together, alone[order], atol=1e-5)
    # Another order would be seen, whatever the labels are.
    apart = np.abs(alone[:, None] - alone).max(axis=2) + np.eye(len(alone))
    assert apart.min() > 1e-4
    assert list(model.predict([])) == []


def test_an_endless_iterable_is_read_no_further_than_a_few_windows(model, waves):
    clips, drawn = [wave[:3200] for wave in waves], itertools.count()
    endless = (clips[next(drawn) % len(clips)] for _ in itertools.repeat(None))
    expected = posteriors(map(model, clips))
    ahead = 0
    for number, answer in enumerate(itertools.islice(model.predict(endless), 1500)):
        error = posteriors([answer])[0] - expected[number % len(clips)]
        assert np.abs(error).max() < 1e-5
        ahead = max(ahead, int(repr(drawn)[6:-1]) - number)
    assert ahead <= 3 * WINDOW


def test_the_first_answer_does_not_wait_for_a_full_window(model, waves):
    drawn = itertools.count()
    inputs = (waves[next(drawn) % len(waves)] for _ in itertools.repeat(None))
    next(model.predict(inputs))
    assert int(repr(drawn)[6:-1]) < WINDOW // 4


@pytest.fixture(scope="module")
def hooked(tmp_path_factory):
    """Return a model on an encoder whose layers are read by hooks."""
    root = tmp_path_factory.mktemp("wav2vec2")
    config = transformers.Wav2Vec2Config(
        hidden_size=16,
        num_hidden_layers=3,
        num_attention_heads=2,
        intermediate_size=24,
        conv_dim=(8,) * 7,
        num_conv_pos_embeddings=8,
        num_conv_pos_embedding_groups=2,
    )
    torch.manual_seed(SEED)
    transformers.Wav2Vec2Model(config).save_pretrained(root / "encoder")
    transformers.Wav2Vec2FeatureExtractor().save_pretrained(root / "encoder")
    conf = {"model": str(root / "encoder"), "layer": "weighted_sum", "subsample": 4}
    return load(save_model(root / "model", "huggingface", conf))


def test_threads_at_the_same_time_get_the_numbers_of_one(hooked, waves):
    expected = posteriors(map(hooked, waves))
    with ThreadPoolExecutor(8) as pool:
        found = posteriors(pool.map(hooked, waves * 4))
    assert np.array_equal(found, np.tile(expected, (4, 1)))
    together = posteriors(hooked.predict(waves))
    np.testing.assert_allclose(together, expected, atol=1e-5)
    assert hooked(waves[0]).frame_shift == pytest.approx(0.08)


def test_predicting_leaves_pytorchs_threads_as_they_were(
    model, waves, conversation, monkeypatch
):
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    # Importing it would set them to 1.
    for name in [name for name in sys.modules if name.startswith("silero_vad")]:
        monkeypatch.delitem(sys.modules, name)
    try:
        list(model.predict(waves))
        model(np.tile(conversation, 2))
        assert "silero_vad" in sys.modules
        with ThreadPoolExecutor(1) as pool:
            assert pool.submit(torch.get_num_threads).result() == 2
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_overlapping_pools_leave_pytorchs_threads_as_they_were():
    before = torch.get_num_threads()
    torch.set_num_threads(2)

    def second():
        with worker_pool("cpu") as pool:
            # Both workers are needed to pass.
            meeting = threading.Barrier(2)
            list(pool.map(lambda _: meeting.wait(10), range(2)))
            second_is_open.set()
            first_is_closed.wait(10)

    second_is_open, first_is_closed = threading.Event(), threading.Event()
    try:
        with ThreadPoolExecutor(1) as thread:
            with worker_pool("cpu") as pool, worker_pool("cpu", alone=True) as one:
                assert pool.submit(torch.get_num_threads).result() == 1
                assert one.submit(torch.get_num_threads).result() == 2
                assert pool.submit(torch.get_num_threads).result() == 1
                done = thread.submit(second)
                second_is_open.wait(10)
            first_is_closed.set()
            done.result()
            assert thread.submit(torch.get_num_threads).result() == 2
        with ThreadPoolExecutor(1) as thread:
            assert thread.submit(torch.get_num_threads).result() == 2
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


FORK_SECONDS = 300  # of a child that hangs; others end by themselves


def in_a_fork(work):
    """Return what a forked child returns, or its error; fail where it hangs."""

    def run():
        faulthandler.register(signal.SIGUSR1, stacks)
        try:
            sender.send(work())
        except Exception as error:
            sender.send(error)

    receiver, sender = FORK.Pipe(duplex=False)
    with tempfile.TemporaryFile("w+") as stacks:
        child = FORK.Process(target=run)
        child.start()
        try:
            if not receiver.poll(FORK_SECONDS):
                os.kill(child.pid, signal.SIGUSR1)
                time.sleep(1)
                stacks.seek(0)
                pytest.fail(f"the forked child hangs, or has died:\n{stacks.read()}")
            return receiver.recv()
        finally:
            child.kill()
            child.join()


@pytest.fixture
def two_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    # So that this thread has a team.
    torch.ones(10**6).sum()
    yield
    torch.set_num_threads(before)


@pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning")
@pytest.mark.parametrize("used_before", ["called", "predicted", "not at all"])
def test_a_forked_child_gives_the_same_answers(
    whisper, waves, an4_wavs, conversation, two_threads, used_before
):
    model, waves = load(whisper, max_seconds=15.0), waves[:3]
    inputs = [*waves, an4_wavs[0], (waves[0], 8000), conversation]
    if used_before == "called":
        called = posteriors(map(model, inputs))
    elif used_before == "predicted":
        predicted = posteriors(model.predict(inputs))

    def work():
        first = posteriors(model.predict(inputs))
        found = posteriors(map(model, inputs))
        again = posteriors(load(whisper, max_seconds=15.0).predict(inputs))
        return first, found, again, torch.get_num_threads()

    first, found, again, n_threads = in_a_fork(work)
    if used_before != "called":
        called = posteriors(map(model, inputs))
    if used_before != "predicted":
        predicted = posteriors(model.predict(inputs))
    assert np.array_equal(first, predicted) and np.array_equal(again, predicted)
    np.testing.assert_allclose(found, called, atol=1e-5)
    assert n_threads == 2


@pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning")
def test_a_fork_while_another_thread_works_gives_the_same_answers(
    rnnt, an4_wavs, two_threads
):
    model = load(rnnt.model)
    expected = [answer.text for answer in model.predict(an4_wavs[:3], transcript=True)]
    with model._scorer.words.recogniser._lock, model._classifier.encoder._lock:
        # Other threads hold the locks, as far as the child knows.
        found = in_a_fork(
            lambda: [a.text for a in model.predict(an4_wavs[:3], transcript=True)]
        )
    assert found == expected


@pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning")
def test_what_cannot_survive_a_fork_is_said_at_once(
    whisper, waves, two_threads, monkeypatch
):
    model = load(whisper)
    answers = model.predict(waves * 40)
    next(answers)
    error = in_a_fork(lambda: next(answers))
    assert isinstance(error, UserError) and "call predict again" in str(error)
    answers.close()
    monkeypatch.setattr(model._classifier, "device", torch.device("cuda:0"))
    for work in (lambda: model(waves[0]), lambda: model.predict(waves)):
        error = in_a_fork(work)
        assert isinstance(error, UserError) and "get_context('spawn')" in str(error)


def test_arrays_are_what_their_files_are(model, an4_wavs, tmp_path):
    expected = posteriors([model(an4_wavs[0])])[0]
    pcm, rate = soundfile.read(an4_wavs[0], dtype="int16")
    wave, _ = soundfile.read(an4_wavs[0])
    byte = tmp_path / "byte.wav"
    soundfile.write(byte, wave, rate, subtype="PCM_U8")
    for speech in (pcm, wave, torch.from_numpy(wave), pcm[:, None], str(an4_wavs[0])):
        assert np.array_equal(posteriors([model(speech)])[0], expected)
    unsigned = ((pcm.astype(int) >> 8) + 128).astype(np.uint8)
    np.testing.assert_allclose(
        posteriors([model(unsigned)]), posteriors([model(byte)]), atol=0.05
    )
    slow = wave[::2].astype(np.float32)
    soundfile.write(tmp_path / "slow.wav", slow, rate // 2, subtype="FLOAT")
    [by_pair] = model.predict([(slow, rate // 2)])
    assert by_pair.duration == pytest.approx(len(wave) / rate, abs=1e-3)
    assert by_pair.posteriors == model(slow, rate // 2).posteriors
    assert by_pair.posteriors == model(tmp_path / "slow.wav").posteriors


def test_channels_are_refused_or_chosen(whisper, model, waves, tmp_path):
    stereo = np.stack([waves[0], np.zeros_like(waves[0])], axis=1)
    soundfile.write(tmp_path / "stereo.wav", stereo, RATE, subtype="FLOAT")
    for speech in (stereo, tmp_path / "stereo.wav"):
        with pytest.raises(DataError, match="2 channels: choose one"):
            model(speech)
    first = load(whisper, channel="0")
    assert first(stereo).posteriors == model(waves[0]).posteriors
    assert first(tmp_path / "stereo.wav").posteriors == model(waves[0]).posteriors
    mixed = load(whisper, channel="mix")
    assert mixed(stereo).posteriors == model(waves[0] / 2).posteriors


def broken_files(folder, wave):
    """Write files that cannot be classified; return what is said of each."""
    (folder / "folder").mkdir()
    os.mkfifo(folder / "pipe.wav")
    (folder / "text.wav").write_text("this is no audio")
    (folder / "empty.wav").write_bytes(b"")
    soundfile.write(folder / "none.wav", wave[:0], RATE)
    soundfile.write(folder / "sample.wav", wave[:1], RATE)
    nan = np.where(np.arange(len(wave)) == 99, np.nan, wave)
    soundfile.write(folder / "nan.wav", nan, RATE, subtype="FLOAT")
    soundfile.write(folder / "slow.wav", wave, 100)
    soundfile.write(folder / "odd.wav", wave, 44101)
    soundfile.write(folder / "eight.wav", np.stack([wave] * 8, axis=1), RATE)
    soundfile.write(folder / "cut.wav", wave, RATE)
    os.truncate(folder / "cut.wav", 1000)
    return {
        "missing.wav": "does not exist",
        "folder": "is a folder",
        "pipe.wav": "is no regular file",
        "text.wav": "cannot be read as audio",
        "empty.wav": "cannot be read as audio",
        "none.wav": "holds no samples",
        "sample.wav": "too short for the encoder: 0.000 s",
        "nan.wav": "not numbers",
        "slow.wav": "sample rate of 100 Hz",
        "odd.wav": "sample rate of 44101 Hz",
        "eight.wav": "8 channels",
        "cut.wav": "cut short",
    }


def test_an_input_that_failed_before_has_its_error_in_its_place(model, waves):
    failed = DataError("it could not be downloaded")
    first, error, last = model.predict([waves[0], failed, waves[1]], on_error="return")
    assert error is failed
    np.testing.assert_allclose(
        posteriors([first, last]), posteriors(map(model, waves[:2])), atol=1e-5
    )


def test_every_broken_file_is_named_and_the_others_are_answered(model, waves, tmp_path):
    messages = broken_files(tmp_path, waves[0])
    inputs = [x for name in messages for x in (tmp_path / name, waves[1])]
    answers = list(model.predict(inputs, on_error="return"))
    for (name, message), error in zip(messages.items(), answers[::2], strict=True):
        assert isinstance(error, DataError)
        assert message in str(error) and str(tmp_path / name) in str(error)
        assert "\n" not in str(error)
        with pytest.raises(DataError, match=message):
            model(tmp_path / name)
    expected = posteriors([model(waves[1])] * len(messages))
    np.testing.assert_allclose(posteriors(answers[1::2]), expected, atol=1e-5)
    with pytest.raises(DataError, match="missing.wav does not exist"):
        list(model.predict([waves[1], tmp_path / "missing.wav", waves[1]]))


@pytest.mark.parametrize(
    "speech, message",
    [
        (np.zeros(0), "input 1 holds no samples"),
        (np.full(9999, np.inf), "input 1 holds samples that are not numbers"),
        (np.full(9999, 3000.0), "divid.* by 32768"),
        (np.zeros((2, 9999)), r"shape \(2, 9999\)"),
        (np.zeros(9999, complex), "complex128: give numbers"),
        ((np.zeros(9999), 0), "sample rate of 0 Hz"),
        ((np.zeros(9999), 16000.5), "sample rate of 16000.5 Hz"),
        ((np.zeros(9999), -1), "sample rate of -1 Hz"),
        ((np.zeros(9999), np.nan), "sample rate of nan Hz"),
        ((np.zeros(9999), -np.inf), "sample rate of -inf Hz"),
        ((np.zeros(9999), np.float32("inf")), "sample rate of inf Hz"),
        ((np.zeros(9999), 10**5000), "rate of a number of 16610 bits Hz, .* resample"),
        ((np.zeros(9999), "16000"), "'16000' for its sample rate: give the number of"),
        ((np.zeros(9999), True), "True for its sample rate: give the number of"),
        ((np.zeros(9999), np.True_), "True_? for its sample rate: give the number of"),
        ((np.zeros(9999), 16000j), "16000j for its sample rate: give the number of"),
        (
            (np.zeros(9999), 16000, 1),
            r"a tuple \(ndarray, int, int\): give .* a pair of",
        ),
        (
            (np.zeros(9999),),
            r"a tuple \(ndarray\): give .* a pair of an array and then",
        ),
        (
            (16000, np.zeros(9999)),
            r"tuple \(int, ndarray\): .* array and then its rate",
        ),
        (("a.wav", "b.wav"), r"tuple \(str, str\): give a path, an array, or a pair"),
        (np.zeros((1, 9999, 1)), r"shape \(1, 9999, 1\): give samples \(N,\) or"),
        (np.zeros(()), r"shape \(\): give samples"),
        (np.zeros((9, 0)), "input 1 holds no samples"),
        (np.zeros((0, 2)), "input 1 holds no samples"),
        (
            np.zeros(9999, object),
            "input 1 holds object: give numbers, float32 or int16",
        ),
        (np.full(9999, "x"), "input 1 holds <U1: give numbers"),
        (np.zeros(9999, bool), "input 1 holds bool: give numbers"),
        (np.full(9999, 1e300), r"input 1 holds samples up to 1e\+300: scale them"),
        (np.ma.masked_less(np.zeros(9999), 1), "input 1 is a masked array: .*filled"),
        (
            torch.zeros(9999, device="meta"),
            "input 1 is a tensor that numpy cannot hold",
        ),
        (torch.zeros(9999).to_sparse(), "sparse_coo.*: give a dense one of float32"),
        (torch.zeros(9999, dtype=torch.cfloat).conj(), "complex64.*: give a dense one"),
        (torch.zeros(9999, dtype=torch.bool), "input 1 holds bool: give numbers"),
        (None, "input 1 is of type NoneType: give a path, bytes, a file object, a n"),
        (b"a.wav", r"input 1 cannot be read as audio \(text\)"),
        (io.StringIO("a.wav"), "input 1 is open for text: open it for bytes"),
        (io.BytesIO(), r"input 1 has nothing left to read .* call seek\(0\) first"),
        ([0.0, 0.1], "input 1 is of type list: give a path"),
        ("x" * 300, r"xxx cannot be opened \(File name too long\): check the name"),
        ("a\0b", "does not exist: check the path"),
    ],
)
def test_what_is_no_speech_is_refused_in_its_place(model, waves, speech, message):
    first, error, last = model.predict([waves[0], speech, waves[0]], on_error="return")
    with pytest.raises(DataError, match=message):
        raise error
    assert "\n" not in str(error)
    assert first.label in CLASSES and last.label in CLASSES


def test_a_name_that_is_not_utf8_bytes_and_file_objects_are_answered_alike(
    model, an4_wavs, tmp_path
):
    path = tmp_path / "caf\udce9.wav"
    shutil.copy(an4_wavs[0], path)
    content = path.read_bytes()
    inputs = [path, content, bytearray(content), io.BytesIO(content)]
    with path.open("rb") as stream:
        answers = [*model.predict([*inputs, stream]), model(content)]
    for answer in answers:
        assert answer.posteriors == pytest.approx(model(an4_wavs[0]).posteriors)
    for one in (content, io.BytesIO(content)):
        with pytest.raises(UserError, match="predict takes a list of recordings"):
            model.predict(one)


@pytest.mark.parametrize(
    ("suffix", "form"),
    [("wav", "PCM_16"), ("flac", None), ("mp3", None), ("ogg", "OPUS")],
)
def test_whatever_holds_a_file_gives_the_posteriors_of_its_path(
    model, an4_wavs, tmp_path, suffix, form
):
    path = tmp_path / f"a.{suffix}"
    soundfile.write(path, *soundfile.read(an4_wavs[0]), subtype=form)
    expected, content = model(path).posteriors, path.read_bytes()
    with path.open("rb") as buffered, path.open("rb", buffering=0) as raw:
        read_end, write_end = os.pipe()
        # What cannot seek, such as an answer of a web server.
        with os.fdopen(read_end, "rb") as pipe:

            def send():
                with os.fdopen(write_end, "wb") as stream:
                    stream.write(content)

            sender = threading.Thread(target=send)
            sender.start()
            assert not pipe.seekable()
            for one in (content, io.BytesIO(content), buffered, raw, pipe):
                assert model(one).posteriors == expected
            sender.join()


def test_silence_and_antiphase_are_said_with_the_answer(model, waves):
    silent = model(0 * waves[0])
    assert silent.notes == ["digital silence: all samples are alike"]
    assert silent.as_dict()["notes"] == silent.notes
    mixing = Speech2Sentiment.__new__(Speech2Sentiment)
    mixing.__dict__.update(model.__dict__, channel="mix")
    (note,) = mixing(np.stack([waves[0], -waves[0]], axis=1)).notes
    assert note.startswith("its 2 channels cancel each other out")
    speech = model(waves[0])
    assert speech.notes == [] and "notes" not in speech.as_dict()


@pytest.mark.filterwarnings("error")
def test_samples_may_lie_in_memory_as_they_like(model, waves):
    wave = waves[0].astype(np.float32)
    closed = wave.copy()
    closed.setflags(write=False)
    backwards = wave[::-1].copy()[::-1]
    assert backwards.strides[0] < 0
    every_other = np.repeat(wave, 2)[::2]
    column = np.stack([wave, wave], axis=1)[:, :1]
    foreign, long = wave.astype(">f4"), wave.astype(np.longdouble)
    tensors = [torch.from_numpy(wave.copy()), torch.from_numpy(wave).requires_grad_()]
    same = [wave, closed, backwards, every_other, column, foreign, long, *tensors]
    rates = (16000, 16000.0, np.int64(16000), np.float32(16000), torch.tensor(16000))
    inputs = [*same, *((wave, rate) for rate in rates)]
    found = posteriors(map(model, inputs))
    assert np.array_equal(found, np.tile(found[0], (len(inputs), 1)))
    # By the resampler.
    slower = posteriors(model(each, 8000) for each in same)
    assert np.array_equal(slower, np.tile(slower[0], (len(same), 1)))
    together = posteriors(model.predict(inputs))
    np.testing.assert_allclose(together, found, atol=1e-5)


def test_integers_of_several_channels_are_mixed_as_their_file_is(
    whisper, waves, tmp_path
):
    two = [waves[0], np.resize(waves[1], len(waves[0]))]
    pcm = (np.stack(two, axis=1) * 2**15).astype("i2")
    soundfile.write(tmp_path / "stereo.wav", pcm, RATE)
    mixed = load(whisper, channel="mix")
    assert mixed(pcm).posteriors == mixed(tmp_path / "stereo.wav").posteriors


@pytest.mark.parametrize(
    "one",
    [
        *("a.wav", b"a.wav", Path("a.wav"), np.zeros(9999), torch.zeros(9999)),
        *((np.zeros(9999), RATE), None, 3),
    ],
    ids=lambda one: type(one).__name__,
)
@pytest.mark.parametrize("on_error", ["raise", "return"])
def test_one_recording_where_several_are_asked_for_is_refused_at_once(
    model, one, on_error
):
    kind = type(one).__name__
    with pytest.raises(UserError, match=rf"a single {kind}: write predict\(\[\.\.\.\]"):
        model.predict(one, on_error=on_error)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_float32_is_the_remedy_of_other_dtypes_alone(
    whisper, waves, dtype, monkeypatch
):
    model = load(whisper, dtype=dtype)
    encode = SpeechEncoder.from_frames

    def overflow(self, feats, lengths):
        out, lengths = encode(self, feats, lengths)
        return out + torch.inf, lengths

    monkeypatch.setattr(SpeechEncoder, "from_frames", overflow)
    with pytest.raises(DataError, match="output is not finite; look at") as error:
        model(waves[0])
    assert ("--dtype float32" in str(error.value)) == (dtype != "float32")


def test_windows_cover_a_long_recording_and_their_mean_is_its_answer(
    whisper, conversation, tmp_path
):
    model = load(whisper, max_seconds=4, cut="windows")
    soundfile.write(tmp_path / "long.flac", conversation, RATE)
    answer = model(tmp_path / "long.flac")
    edges = [(s.start, s.end) for s in answer.segments]
    assert edges[0][0] == 0 and edges[-1][1] == answer.duration
    assert all(a[1] == b[0] for a, b in itertools.pairwise(edges))
    assert 3 < edges[0][1] <= 4
    parts = [conversation[round(a * RATE) : round(b * RATE)] for a, b in edges]
    expected = posteriors(map(model, parts))
    np.testing.assert_allclose(posteriors(answer.segments), expected, atol=1e-3)
    np.testing.assert_allclose(
        posteriors([answer])[0], posteriors(answer.segments).mean(axis=0), atol=1e-9
    )
    assert answer.attention is None and answer.frame_shift is None
    assert len(answer.as_dict()["segments"]) == len(edges)


def test_voice_activity_parts_the_utterances_of_a_long_recording(
    whisper, waves, conversation
):
    model = load(whisper, max_seconds=20)
    answer = model(conversation)
    starts = np.cumsum([0, *(len(wave) / RATE + 1 for wave in waves)])
    # Every utterance is in one segment or, where it holds a pause, in a few; none
    # reaches into another.
    for segment in answer.segments:
        [index] = np.flatnonzero(
            (starts[:-1] <= segment.end) & (starts[1:] >= segment.start)
        )[:1]
        assert segment.end - segment.start < 20
        assert starts[index] - 0.2 < segment.start < segment.end
        assert segment.end < starts[index] + len(waves[index]) / RATE + 0.3
    assert len(answer.segments) >= len(waves)
    weights = [s.end - s.start for s in answer.segments]
    expected = np.average(posteriors(answer.segments), axis=0, weights=weights)
    np.testing.assert_allclose(posteriors([answer])[0], expected)
    [again] = model.predict([conversation])
    np.testing.assert_allclose(posteriors([again]), posteriors([answer]), atol=1e-5)


def test_blocks_give_the_voice_activity_of_the_whole(conversation):
    samples = torch.from_numpy(conversation)
    model = long_recordings.load_vad()
    found = long_recordings.speech_probabilities(model, samples)
    model.reset_states()
    frames = torch.nn.functional.pad(samples, (0, -len(samples) % 512)).split(512)
    with torch.inference_mode():
        alone = [float(model(frame, RATE)) for frame in frames]
    assert len(found) == len(alone)
    agree = (np.array(found) > 0.5) == (np.array(alone) > 0.5)
    assert agree.mean() > 0.97 and np.mean(alone) > 0.3


def test_silence_has_no_answer_unless_windows_are_asked_for(whisper):
    silence = np.zeros(40 * RATE, np.int16)
    with pytest.raises(DataError, match="no speech is found in its 40 s"):
        load(whisper)(silence)
    assert len(load(whisper, cut="windows")(silence).segments) == 2


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_half_precision_gives_nearly_the_same_posteriors(whisper, model, waves, dtype):
    half = load(whisper, dtype=dtype)
    found = posteriors(half.predict(waves))
    expected = posteriors(model.predict(waves))
    assert 0 < np.abs(found - expected).max() < 0.1
    assert half(waves[0]).attention.dtype == np.float32


@pytest.mark.parametrize(("seconds", "taken"), [(1.0, "float32"), (3.0, "bfloat16")])
def test_auto_says_what_it_took_and_so_do_answers(
    whisper, waves, monkeypatch, seconds, taken
):
    monkeypatch.setattr("espnet_sentiment.encoder.dtype._has_bfloat16", lambda _: True)
    monkeypatch.setattr(
        "espnet_sentiment.encoder.dtype._seconds", lambda *_: [seconds, 1.0]
    )
    found = load(whisper, dtype="auto")
    assert found.dtype == taken
    assert "1.00 times" in found.why_dtype or "0.33 times" in found.why_dtype
    answer = found(waves[0])
    assert answer.dtype == taken
    assert answer.as_dict().get("dtype", "float32") == taken
    named = load(whisper, dtype=taken)(waves[0])
    assert answer.posteriors == named.posteriors


def test_wrong_options_name_the_right_ones(whisper, model, tmp_path):
    for options, message in [
        ({"dtype": "int8"}, "float32, float16, bfloat16"),
        ({"device": "tpu9"}, "choose cpu, cuda"),
        ({"device": "cuda:99"}, "PyTorch sees . CUDA GPUs"),
        ({"cut": "silence"}, "vad, windows"),
        ({"channel": "left"}, "0, 1, mix"),
        ({"max_seconds": 0.0}, "at least 1 second"),
    ]:
        with pytest.raises(UserError, match=message):
            load(whisper, **options)
    with pytest.raises(UserError, match="raise, return"):
        next(model.predict([], on_error="ignore"))
    with pytest.raises(DataError, match="input 0 is of type int: give a path, bytes"):
        next(model.predict([1]))
    shutil.copy(whisper / "config.yaml", tmp_path)
    with pytest.raises(DataError, match="keep both in one folder"):
        Speech2Sentiment(tmp_path / "config.yaml", whisper / CHECKPOINT)


@pytest.mark.skipif(not can_pack(torch.float32), reason="PyTorch without oneDNN")
@pytest.mark.parametrize("bias", [True, False])
def test_a_packed_layer_computes_what_the_layer_does(bias):
    torch.manual_seed(SEED)
    layer, x = torch.nn.Linear(48, 80, bias=bias), torch.randn(3, 7, 48)
    with torch.inference_mode():
        packed = PackedLinear(layer, torch.float32)
        torch.testing.assert_close(packed(x), layer(x))
        torch.testing.assert_close(packed.weight, layer.weight)


@pytest.mark.skipif(not can_pack(torch.float32), reason="PyTorch without oneDNN")
@pytest.mark.parametrize("activation", ["gelu", "relu", "gelu_new"])
def test_an_activation_is_packed_with_its_layer_where_it_is_the_exact_gelu(activation):
    torch.manual_seed(SEED)
    config = transformers.WhisperConfig(
        d_model=16, encoder_attention_heads=2, activation_function=activation
    )
    layer = transformers.models.whisper.modeling_whisper.WhisperEncoderLayer(config)
    layer, x = layer.eval(), torch.randn(2, 9, 16)
    with torch.inference_mode():
        expected = layer(x, None)
        pack_linears(layer, torch.float32)
        torch.testing.assert_close(layer(x, None), expected)
    is_packed = isinstance(layer.activation_fn, torch.nn.Identity)
    assert is_packed == (activation == "gelu")


@pytest.mark.skipif(not can_pack(torch.bfloat16), reason="oneDNN without bfloat16")
@pytest.mark.parametrize("bias", [True, False])
def test_a_packed_layer_computes_in_bfloat16_where_onednn_does(bias):
    torch.manual_seed(SEED)
    layer, x = torch.nn.Linear(48, 80, bias=bias), torch.randn(3, 7, 48)
    with torch.inference_mode():
        half = PackedLinear(layer, torch.bfloat16)(x)
        expected = layer.bfloat16()(x.bfloat16())
        torch.testing.assert_close(half, expected, atol=0.02, rtol=0.02)


@pytest.fixture(scope="module")
def rnnt(tmp_path_factory, an4_wavs):
    """Return an RNN-T's corpus, and a model on its encoder."""
    corpus = Corpus(tmp_path_factory.mktemp("rnnt"))
    add_rnnt(corpus, write_data(corpus, an4_wavs))
    corpus.model = save_model(
        corpus.root / "model",
        "espnet",
        {"model": str(corpus.exp), "layer": "last", "subsample": 2},
    )
    return corpus


def test_an_rnnt_writes_words_with_their_share_of_the_attention(rnnt, an4_wavs):
    model = load(rnnt.model)
    reference = dict(
        line.split(maxsplit=1)
        for line in (rnnt.data_dir / "text").read_text().splitlines()
    )
    learned = (rnnt.data_dir / "folds" / "1" / "train").read_text().split()
    paths = {path.stem: path for path in an4_wavs}
    answers = model.predict([paths[utt] for utt in learned], transcript=True)
    n_right = 0
    for utt, answer in zip(learned, answers, strict=True):
        n_right += answer.text == reference[utt]
        assert " ".join(word.text for word in answer.words) == answer.text
        times = [time for w in answer.words for time in (w.start, w.end)]
        assert times == sorted(times)
        assert times[0] >= 0 and times[-1] <= answer.duration
    assert n_right >= len(learned) / 2
    assert model(paths[learned[0]]).text is None


def test_levels_are_thirds_and_times_those_of_the_whole_recording(rnnt, conversation):
    answer = load(rnnt.model, max_seconds=5, cut="windows")(
        conversation[: 20 * RATE], transcript=True
    )
    assert answer.text.split() == [word.text for word in answer.words]
    assert {word.level for word in answer.words} == {1, 2, 3}
    by_weight = sorted(answer.words, key=lambda word: word.weight)
    assert [w.level for w in by_weight] == sorted(w.level for w in by_weight)
    starts = [word.start for word in answer.words]
    assert starts == sorted(starts) and starts[-1] > 10
    assert answer.as_dict()["words"][0].keys() >= {"text", "start", "weight", "level"}


@pytest.fixture(scope="module")
def text_branch(tmp_path_factory):
    """Return a model on fbank and words, which knows two of them."""
    folder = tmp_path_factory.mktemp("text")
    return save_model(
        folder,
        "none",
        {"subsample": 4},
        text_encoder="lstm",
        text_token_list=["<blank>", "<unk>", "ONE", "TWO", "<sos/eos>"],
    )


def test_a_text_branch_reads_what_another_model_hears(text_branch, rnnt, waves):
    with pytest.raises(DataError, match="none has no decoder.*asr_model"):
        load(text_branch)(waves[0])
    model = load(text_branch, asr_model=rnnt.exp)
    answer = model(waves[0])
    assert answer.text is not None and answer.words is not None or answer.text
    recogniser = model._scorer.words.recogniser.__dict__
    recogniser["_recognise"] = lambda waves: ["one"] * len(waves)
    one = model(waves[0])
    recogniser["_recognise"] = lambda waves: ["two"] * len(waves)
    assert one.posteriors != model(waves[0]).posteriors
    [together] = model.predict([waves[0]])
    np.testing.assert_allclose(
        posteriors([together]), posteriors([model(waves[0])]), atol=1e-6
    )


def test_whisper_writes_words_of_its_own_encoder(tmp_path, waves):
    save_whisper(tmp_path / "encoder")
    path = tmp_path / "encoder" / "generation_config.json"
    heads = {"alignment_heads": [[0, 0], [0, 1]], "max_length": 24}
    write_json(path, read_json(path) | heads)
    conf = {"model": str(tmp_path / "encoder"), "layer": "last", "subsample": 4}
    model = load(save_model(tmp_path / "model", "huggingface", conf))
    answer = model(waves[0], transcript=True)
    assert answer.text and [w.text for w in answer.words] == answer.text.split()
    assert answer.posteriors == model(waves[0]).posteriors


def test_an_encoder_without_a_decoder_cannot_write_words(hooked, waves):
    with pytest.raises(DataError, match="no transcript can be written.*asr_model"):
        hooked(waves[0], transcript=True)


def test_answers_are_made_without_pytorch():
    code = (
        "import espnet_sentiment.inference.result, sys; print('torch' in sys.modules)"
    )
    output = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True
    )
    assert output.stdout == "False\n"


def test_whisper_base_says_what_an_actor_says(tmp_path, emodb_dir, whisper_dir):
    conf = {"model": str(whisper_dir), "layer": "weighted_sum", "subsample": 4}
    folder = save_model(tmp_path, "huggingface", conf)
    paths = sorted((emodb_dir / "wav").glob("03a0[1257]*.wav"))[:6]
    model = load(folder)
    alone = posteriors(map(model, paths))
    np.testing.assert_allclose(posteriors(model.predict(paths)), alone, atol=1e-3)
    half = posteriors(load(folder, dtype="bfloat16").predict(paths))
    np.testing.assert_allclose(half, alone, atol=0.1)
    answer = model(paths[0], transcript=True)
    assert answer.text == "Der Lappen liegt auf dem Eisschrank."
    assert [word.text for word in answer.words] == answer.text.split()
    assert 0.5 < np.mean([word.weight for word in answer.words]) < 2
