"""Speed perturbation (Ko et al., "Audio augmentation for speech recognition", 2015).

Copies of the training utterances that are played faster or slower, in pitch too, are
called ``sp0.9-<utterance>``, as in Kaldi's recipes. Those of stage 1's features stand
in its table ``key2utt``; those of a set of its own in the set's ``utt2uniq``, as in
Kaldi.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from espnet_sentiment.core.errors import DataError
from espnet_sentiment.core.files import PathLike, read_table
from espnet_sentiment.data.kaldi_dir import KaldiDir

SLOWEST, FASTEST = 0.5, 2.0  # what still is speech
UNIQ = "utt2uniq"


def perturbed(
    utts: Iterable[str],
    factors: Sequence[float],
    option: str = "speed_perturb_factors",
) -> dict[str, tuple]:
    """Return ``{key: (utterance, factor)}`` of the copies; factor 1 makes none.

    Args:
        utts: The utterances.
        factors: How many times as fast.
        option: What messages call the factors.

    Raises:
        DataError: A factor is out of bounds, or there twice.
    """
    if out := [f for f in factors if not SLOWEST <= f <= FASTEST]:
        raise DataError(
            f"{option}: {out[0]:g} is no speed of speech: give factors from "
            f"{SLOWEST:g} to {FASTEST:g}, such as 0.9 1.1"
        )
    if len({f"{factor:g}" for factor in factors}) < len(factors):
        said = " ".join(f"{factor:g}" for factor in factors)
        raise DataError(f"{option}: {said} has a factor twice: name each once")
    utts = list(utts)
    return {
        f"sp{factor:g}-{utt}": (utt, factor)
        for factor in factors
        if factor != 1
        for utt in utts
    }


def copies(key2utt: Mapping[str, str], utts: Iterable[str]) -> dict[str, str]:
    """Return ``{key: utterance}`` of given utterances and of their copies.

    Args:
        key2utt: Utterance of every key of the features.
        utts: The utterances that are wanted.
    """
    wanted = set(utts)
    return {key: utt for key, utt in key2utt.items() if utt in wanted}


def read_copies(data_dir: PathLike) -> dict[str, str]:
    """Return ``{key: utterance}`` of a set's copies; empty where it has none."""
    path = Path(data_dir) / UNIQ
    return read_table(path) if path.is_file() else {}


def people(data: KaldiDir) -> dict[str, str]:
    """Return who says every utterance: of a copy, who says the original.

    A copy's own speaker is no other to hold out.
    """
    copies = read_copies(data.path)
    return {u: data.utt2spk[copies.get(u, u)] for u in data.utts}
