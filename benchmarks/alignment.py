"""Word times of bin/align.py against espeak-ng's own, or against a second aligner.

    cd egs/mini   # espeak-ng spoke it: it says when every word began and ended
    python ../../benchmarks/alignment.py mini dump/align/rnnt/mini/ctm
    cd egs/emodb  # nobody knows: espeak-ng's German is warped onto each recording
    python ../../benchmarks/alignment.py emodb dump/align/whisper_base/emodb/ctm

The second aligner reads a sentence by espeak-ng and finds it in the recording by
dynamic time warping over MFCC, as aeneas does (https://github.com/readbeyond/aeneas).
Boundaries are those between two words: the end of the first, the start of the second;
edges are the start of the first word and the end of the last.
Mean, median and 90 % quantile are of absolute errors; ``late`` is the signed mean.
"""

import argparse
import ctypes
import random
import sys
from pathlib import Path
from unittest import mock

import numpy as np
import torch
from torchaudio.compliance import kaldi
from torchaudio.functional import compute_deltas
from transformers.models.whisper.generation_whisper import _dynamic_time_warping

from espnet_sentiment.asr.formats import read_ctm
from espnet_sentiment.asr.words import AlignedWord
from espnet_sentiment.data.audio import read_audio
from espnet_sentiment.data.kaldi_dir import SAMPLE_RATE, read_kaldi_dir
from espnet_sentiment.data.words import plain_words
from espnet_sentiment.scoring.tables import markdown

sys.path.insert(0, str(Path(__file__).parents[1] / "egs" / "mini" / "local"))

import espeak
import plan

# espeak_EVENT_TYPE, and the option that asks for phonemes.
WORD, END, PHONEME = 1, 5, 7
PHONEME_EVENTS = 1
PAUSES = (b"_", b"_:")  # others that begin like this are glottal stops
ESPEAK_RATE = 22050
VOICES = ("de", "de+f2")
HOP = 0.01


class Event(ctypes.Structure):
    """espeak_EVENT of espeak-ng's speak_lib.h."""

    _fields_ = [
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("phoneme", ctypes.c_char * 8),
    ]


def speak(
    text: str, voice: str, manner: espeak.Manner
) -> tuple[np.ndarray, list[AlignedWord]]:
    """Speak a sentence as egs/mini does, and listen to espeak-ng's events.

    Returns:
        Samples at 16 kHz, and words; those it runs together, like "do not", are one.
    """
    starts, ends, texts = [], [], []

    def listen(collect):
        def both(samples, count, events):
            event = ctypes.cast(events, ctypes.POINTER(Event))
            for e in iter_events(event):
                time = e.sample / ESPEAK_RATE
                pause = e.type == PHONEME and e.phoneme in PAUSES
                if e.type == WORD or pause or e.type == END:
                    ends.extend([time] * (len(starts) - len(ends)))
                if e.type == WORD:
                    starts.append(time)
                    first = e.text_position - 1
                    texts.append(text[first : first + e.length])
            return collect(samples, count, events)

        return callback(both)

    callback = espeak._CALLBACK
    options = espeak.INITIALIZE_DONT_EXIT | PHONEME_EVENTS
    with (
        mock.patch.object(espeak, "_CALLBACK", listen),
        mock.patch.object(espeak, "INITIALIZE_DONT_EXIT", options),
    ):
        samples = espeak.synthesize(text, voice, manner)
    return samples, list(map(AlignedWord, starts, ends, texts))


def iter_events(events):
    """Give a list's events up to the one that ends it."""
    index = 0
    while events[index].type:
        yield events[index]
        index += 1


def features(samples: np.ndarray) -> tuple[np.ndarray, float]:
    """Return normalised MFCCs and deltas (T, 24) of the loud part, and its start."""
    waveform = torch.from_numpy(samples)[None] * 2**15
    mfcc = kaldi.mfcc(waveform, num_ceps=13, num_mel_bins=40, snip_edges=False)
    energy = kaldi.fbank(waveform, num_mel_bins=40, snip_edges=False).logsumexp(dim=1)
    loud = (energy > energy.quantile(0.95) - 7).nonzero().squeeze(1)
    shape = mfcc[:, 1:]
    shape = torch.cat([shape, 2 * compute_deltas(shape.T[None])[0].T], dim=1)
    shape = shape[loud[0] : loud[-1] + 1]
    shape = (shape - shape.mean(dim=0)) / shape.std(dim=0)
    return torch.nn.functional.normalize(shape, dim=1).numpy(), HOP * float(loud[0])


def warp(samples: np.ndarray, text: str) -> list[AlignedWord]:
    """Align with the second aligner, by the voice that is closer to the recording."""
    found = []
    theirs, start = features(samples)
    for voice in VOICES:
        spoken, words = speak(text, voice, espeak.Manner(rate=160))
        ours, begin = features(spoken)
        cost = 1 - ours @ theirs.T
        source, target = _dynamic_time_warping(cost.astype(np.float64))
        mean = float(cost[source, target].mean())

        def map_time(time, source=source, target=target, begin=begin):
            distance = np.abs(source - (time - begin) / HOP)
            return start + HOP * float(target[distance == distance.min()].mean())

        mapped = [
            AlignedWord(map_time(w.start), map_time(w.end), w.text) for w in words
        ]
        found.append((mean, mapped))
    return min(found)[1]


def true_words(name: str, data_dir: Path, n_utts: int) -> dict[str, list[AlignedWord]]:
    """Return the words of some utterances, from espeak-ng or the second aligner."""
    if name == "mini":
        planned = [p for p in plan.plan("mini") if p.part == "test"]
        random.Random(0).shuffle(planned)
        return {p.utt: speak(p.text, p.voice, p.manner)[1] for p in planned[:n_utts]}
    data = read_kaldi_dir(data_dir)
    utts = random.Random(0).sample(data.utts, min(n_utts, len(data.utts)))
    return {
        utt: warp(read_audio(data.wav_scp[utt], SAMPLE_RATE), data.text[utt])
        for utt in utts
    }


def errors(words: list[AlignedWord], true: list[AlignedWord]) -> dict[str, list[float]]:
    """Return how late boundaries and edges are; nothing if the words differ."""
    if [plain_words(w.text) for w in words] != [plain_words(w.text) for w in true]:
        return {"boundaries": [], "edges": []}
    starts = [a.start - b.start for a, b in zip(words, true, strict=True)]
    ends = [a.end - b.end for a, b in zip(words, true, strict=True)]
    return {"boundaries": ends[:-1] + starts[1:], "edges": [starts[0], ends[-1]]}


def main() -> None:
    """Compare, and print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("corpus", choices=["mini", "emodb"])
    parser.add_argument("ctm", nargs="+", help="what bin/align.py wrote")
    parser.add_argument("--n_utts", type=int, default=150, help="how many, at random")
    args = parser.parse_args()
    torch.set_num_threads(1)
    true = true_words(args.corpus, Path("data") / args.corpus, args.n_utts)
    rows = []
    for ctm in args.ctm:
        words = read_ctm(ctm)
        late = [errors(words[utt], true[utt]) for utt in true if utt in words]
        count = str(sum(bool(of_utt["edges"]) for of_utt in late))
        for kind in ("boundaries", "edges"):
            e = 1000 * np.concatenate([of_utt[kind] for of_utt in late])
            size = np.abs(e)
            measured = (size.mean(), np.median(size), np.quantile(size, 0.9), e.mean())
            numbers = [f"{x:.0f}" for x in measured]
            rows.append([f"{ctm}: {kind}", count, str(len(e)), *numbers])
    head = ["", "utterances", "number", "mean (ms)", "median", "90 %", "late"]
    print(markdown(head, rows), end="")


if __name__ == "__main__":
    main()
