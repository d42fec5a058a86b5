"""Synthetic speech by espeak-ng, called through ctypes.

The PyPI package ``espeakng-loader`` (the extra ``mini``) carries the library and its
voices; the functions
are those of espeak-ng's ``speak_lib.h``
(https://github.com/espeak-ng/espeak-ng/blob/master/src/include/espeak-ng/speak_lib.h).
"""

import _ctypes
import contextlib
import ctypes
import dataclasses
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from typeguard import typechecked

from espnet_sentiment.core.errors import DataError
from espnet_sentiment.data.audio import resample
from espnet_sentiment.data.kaldi_dir import SAMPLE_RATE

AUDIO_OUTPUT_SYNCHRONOUS = 2
INITIALIZE_DONT_EXIT = 1 << 15
POS_CHARACTER = 1
CHARS_UTF8 = 1
RATE, PITCH, RANGE = 1, 3, 4  # espeak_PARAMETER
SEED = 1
FULL_SCALE = 32768.0
REMEDY = "install it anew: pip install --force-reinstall espeakng-loader"

_CALLBACK = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p
)


@dataclasses.dataclass(frozen=True)
class Manner:
    """How a voice says a sentence.

    Args:
        rate: Words a minute, from 80.
        pitch: 0 to 100; 50 is the voice's own.
        pitch_range: 0 (monotone) to 100; 50 is the voice's own.
        gain: Factor on the samples, 1 at most.
    """

    rate: int = 100
    pitch: int = 50
    pitch_range: int = 50
    gain: float = 1.0


@contextlib.contextmanager
def _fresh_library(path: Path) -> Iterator[ctypes.CDLL]:
    """Load the library anew: its oscillators and noise go on from the last sentence."""
    try:
        library = ctypes.CDLL(str(path))
    except OSError as error:
        raise DataError(f"espeak-ng cannot be loaded ({error}): {REMEDY}") from None
    try:
        yield library
    finally:
        library.espeak_Terminate()
        _ctypes.dlclose(library._handle)


def _library() -> str:
    # The extra mini brings it: ``prepare.py`` says so where it is missing.
    import espeakng_loader

    return espeakng_loader.get_library_path()


@typechecked
def synthesize(
    text: str, voice: str, manner: Manner, library: str | None = None
) -> np.ndarray:
    """Speak a sentence.

    Args:
        text: Words; upper case is read as words, not spelled.
        voice: Language and variant, for example ``en-us+f3``.
        manner: Rate, pitch and loudness.
        library: The shared object, voices beside it; none: ``espeakng-loader``'s.

    Returns:
        float32 (N,) of 16 kHz, the same whatever was spoken before.

    Raises:
        DataError: The library, its data or the voice is missing, or nothing was
            spoken.
    """
    path = Path(library or _library())
    data = path.parent / "espeak-ng-data"
    blocks: list[np.ndarray] = []

    def collect(samples, count: int, events) -> int:
        if samples and count > 0:
            blocks.append(np.ctypeslib.as_array(samples, (count,)).copy())
        return 0

    callback = _CALLBACK(collect)  # the library keeps only a pointer to it
    with _fresh_library(path) as espeak:
        rate = espeak.espeak_Initialize(
            AUDIO_OUTPUT_SYNCHRONOUS, 0, str(data).encode(), INITIALIZE_DONT_EXIT
        )
        if rate <= 0:
            raise DataError(f"espeak-ng finds no voices in {data}: {REMEDY}")
        # The library seeds itself by the clock; its Klatt voices use C's rand().
        espeak.espeak_ng_SetRandSeed(ctypes.c_long(SEED))
        ctypes.CDLL(None).srand(SEED)
        espeak.espeak_SetSynthCallback(callback)
        variant = voice.partition("+")[2]
        # espeak-ng itself speaks on, without a word, when it lacks the variant.
        known = not variant or (data / "voices" / "!v" / variant).is_file()
        if not known or espeak.espeak_SetVoiceByName(voice.encode()) != 0:
            raise DataError(
                f"espeak-ng has no voice {voice!r}: name a language and a variant "
                f"that {data} holds, such as en-us+f3"
            )
        espeak.espeak_SetParameter(RATE, manner.rate, 0)
        espeak.espeak_SetParameter(PITCH, manner.pitch, 0)
        espeak.espeak_SetParameter(RANGE, manner.pitch_range, 0)
        words = text.lower().encode()
        size = ctypes.c_size_t(len(words) + 1)
        espeak.espeak_Synth(words, size, 0, POS_CHARACTER, 0, CHARS_UTF8, None, None)
    if not any(block.any() for block in blocks):
        raise DataError(f"espeak-ng says nothing for {text!r}: give it words")
    samples = np.concatenate(blocks) * np.float32(manner.gain / FULL_SCALE)
    return resample(samples, rate, SAMPLE_RATE)
