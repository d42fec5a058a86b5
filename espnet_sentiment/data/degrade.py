"""Degraded recordings: noise, babble, telephone, codecs, rooms, clipping.

``DEGRADATIONS`` makes mono float32 (N,) of mono float32 (N,) at the same rate and in
time with it. SNRs are of the whole recording, pauses included. What is drawn depends on
the utterance and the kind of degradation alone: all SNRs of an utterance have the same
noise, all reverberation times the same room but for its decay.
"""

import functools
import io
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple, cast

import numpy as np

from espnet_sentiment.core.chance import seed_of
from espnet_sentiment.core.errors import DataError, UserError
from espnet_sentiment.data.audio import hear, resample
from espnet_sentiment.data.conditions import CLIPPED, MP3, OPUS, RT60S, SNRS

if TYPE_CHECKING:
    from av import AudioStream

TALKERS = 5  # of babble
TELEPHONE = 8000  # Hz
BAND = (300, 3400)  # Hz
DECAY = 3 * np.log(10)  # 60 dB, of an amplitude's natural logarithm


class Draws(NamedTuple):
    """What chance decides about an utterance.

    Args:
        utt: Its id.
        talkers: Gives the samples of other speakers' recordings, drawn by a generator.
    """

    utt: str
    talkers: Callable[[np.random.Generator], Sequence[np.ndarray]]

    def rng(self, kind: str) -> np.random.Generator:
        """Return the generator of a kind of degradation."""
        return np.random.default_rng(seed_of(f"{kind} {self.utt}"))


type Degrade = Callable[[np.ndarray, int, Draws], np.ndarray]


class Degradation(NamedTuple):
    """A way to degrade a recording.

    Args:
        degrade: Makes other samples of samples, their rate and draws.
        encoder: FFmpeg's encoder that it needs, if any.
    """

    degrade: Degrade
    encoder: str | None = None


def draw_talkers(
    rng: np.random.Generator,
    speaker: str,
    by_speaker: dict[str, list[str]],
) -> list[str]:
    """Draw the recordings of babble: five speakers, and an utterance of each.

    Args:
        rng: Draws.
        speaker: Who is degraded, and does not babble.
        by_speaker: Utterances of every speaker.

    Returns:
        Utterances; where there are fewer than five other speakers, several of one.

    Raises:
        DataError: There is no other speaker.
    """
    others = sorted(by_speaker.keys() - {speaker})
    if not others:
        raise DataError(
            f"babble needs recordings of others than {speaker}, who alone speaks: "
            "leave the babble_* out of --conditions"
        )
    again = len(others) < TALKERS
    chosen = rng.choice(len(others), TALKERS, replace=again)
    utts = [by_speaker[others[number]] for number in chosen]
    return [of_one[rng.integers(len(of_one))] for of_one in utts]


def add_noise(samples: np.ndarray, noise: np.ndarray, snr: float) -> np.ndarray:
    """Add noise (N,) to samples (N,) at an SNR in dB; nothing is clipped."""
    import torch
    from torchaudio.functional import add_noise as add

    # In float64: the energies are sums.
    pair = [torch.from_numpy(x.astype(np.float64)) for x in (samples, noise)]
    noisy = add(*pair, snr=torch.tensor(float(snr), dtype=torch.float64))
    return noisy.numpy().astype(np.float32)


def white(samples: np.ndarray, rate: int, draws: Draws, snr: float) -> np.ndarray:
    """Add white Gaussian noise."""
    return add_noise(samples, draws.rng("white").standard_normal(len(samples)), snr)


def babble(samples: np.ndarray, rate: int, draws: Draws, snr: float) -> np.ndarray:
    """Add five talkers, equally loud; each is repeated, from a random sample on.

    Raises:
        DataError: They are silent, or there are none.
    """
    rng = draws.rng("babble")
    noise = np.zeros(len(samples))
    for talker in draws.talkers(rng):
        start = rng.integers(len(talker))
        said = np.resize(np.roll(talker, -start), len(samples)).astype(np.float64)
        if energy := np.mean(said**2):
            noise += said / np.sqrt(energy)
    if not noise.any():
        raise DataError(
            f"utterance {draws.utt}: all talkers that were drawn for its babble are "
            "silent: restore their recordings, or leave the babble_* out of "
            "--conditions"
        )
    return add_noise(samples, noise, snr)


def telephone(samples: np.ndarray, rate: int, draws: Draws) -> np.ndarray:
    """Leave 300 to 3400 Hz, of 8 kHz: a Butterworth filter of order 6, both ways."""
    from scipy.signal import butter, sosfiltfilt

    narrow = resample(samples, rate, TELEPHONE)
    sos = butter(6, BAND, "bandpass", fs=TELEPHONE, output="sos")
    # What sosfiltfilt adds at the ends must be shorter than the recording.
    padding = min(TELEPHONE // 10, len(narrow) - 1)
    band = sosfiltfilt(sos, narrow, padlen=padding).astype(np.float32)
    return fit(resample(band, TELEPHONE, rate), len(samples))


def codec(
    samples: np.ndarray,
    rate: int,
    draws: Draws,
    name: str,
    container: str,
    kilobits: int | None = None,
    at: int | None = None,
    **options: str,
) -> np.ndarray:
    """Encode and decode by FFmpeg's libraries (PyAV).

    Encoders say in the file how much their delay adds, and decoders leave that out.

    Args:
        samples: Mono float32 (N,).
        rate: Their rate in Hz.
        draws: Nothing is drawn.
        name: FFmpeg's encoder.
        container: FFmpeg's format of the file.
        kilobits: A second.
        at: Rate that is encoded, in Hz; None is ``rate``.
        options: The encoder's.
    """
    import av

    check_encoder(name)
    at = at or rate
    file = io.BytesIO()
    with av.open(file, "w", format=container) as out:
        added = out.add_stream(name, rate=at, layout="mono", options=options)
        stream = cast("AudioStream", added)
        if kilobits is not None:
            stream.bit_rate = 1000 * kilobits
        wave = resample(samples, rate, at)[None]
        frame = av.AudioFrame.from_ndarray(wave, format="fltp", layout="mono")
        frame.sample_rate = at
        for given in (frame, None):
            out.mux(stream.encode(given))
    return fit(hear(file.getvalue(), rate).samples, len(samples))


def check_encoder(name: str) -> None:
    """Check that there is an encoder.

    Raises:
        UserError: PyAV's FFmpeg has none of this name.
    """
    from av.codec import Codec
    from av.codec.codec import UnknownCodecError

    try:
        Codec(name, "w")
    except UnknownCodecError:
        raise UserError(
            f"PyAV's FFmpeg has no encoder {name}: install PyAV's own wheel ('pip "
            "install --force-reinstall --only-binary av av'), or leave out of "
            "--conditions what needs it: "
            + ", ".join(k for k, v in DEGRADATIONS.items() if v.encoder == name)
        ) from None


def reverberate(
    samples: np.ndarray, rate: int, draws: Draws, rt60: float
) -> np.ndarray:
    """Add a room's reverberation, as loud as the direct sound, which comes first.

    The room's response after the direct sound is Gaussian noise that decays by 60 dB
    within ``rt60`` seconds (Polack, "La transmission de l'énergie sonore dans les
    salles", thesis, Université du Maine, 1988; Habets, "Single- and multi-microphone
    speech dereverberation using spectral enhancement", thesis, TU Eindhoven, 2007), of
    the direct sound's energy. What is heard has the energy of what was said; what
    sounds on after the end is cut.
    """
    from scipy.signal import fftconvolve

    times = np.arange(1, round(rt60 * rate) + 1) / rate
    noise = draws.rng("reverb").standard_normal(len(times))
    tail = noise * np.exp(-DECAY * times / rt60)
    response = np.concatenate([[1.0], tail / np.sqrt(np.sum(tail**2))])
    heard = fftconvolve(samples.astype(np.float64), response)[: len(samples)]
    energy = np.sum(heard**2)
    if energy:
        heard *= np.sqrt(np.sum(samples.astype(np.float64) ** 2) / energy)
    return heard.astype(np.float32)


def clip(samples: np.ndarray, rate: int, draws: Draws, share: float) -> np.ndarray:
    """Clip at the amplitude that a share of the samples exceeds."""
    most = np.quantile(np.abs(samples), 1 - share)
    return np.clip(samples, -most, most)


def fit(samples: np.ndarray, length: int) -> np.ndarray:
    """Cut samples (N,) at the end, or add silence there."""
    return np.pad(samples[:length], (0, max(0, length - len(samples))))


def _codec(name: str, container: str, **options) -> Degradation:
    degrade = functools.partial(codec, name=name, container=container, **options)
    return Degradation(degrade, name)


# By their names, in the order of ``TITLES``.
DEGRADATIONS: dict[str, Degradation] = {
    **{
        f"{name}_{snr}": Degradation(functools.partial(add, snr=snr))
        for name, add in (("white", white), ("babble", babble))
        for snr in SNRS
    },
    "telephone": Degradation(telephone),
    "mu_law": _codec("pcm_mulaw", "wav", at=TELEPHONE),
    **{f"mp3_{n}": _codec("libmp3lame", "mp3", kilobits=n) for n in MP3},
    **{
        f"opus_{n}": _codec("libopus", "ogg", kilobits=n, application="voip")
        for n in OPUS
    },
    **{
        f"reverb_{rt60}": Degradation(functools.partial(reverberate, rt60=rt60))
        for rt60 in RT60S
    },
    **{
        f"clip_{share}": Degradation(functools.partial(clip, share=share / 100))
        for share in CLIPPED
    },
}
