"""Speed perturbation (Ko et al., "Audio augmentation for speech recognition", 2015).

Copies of the training utterances that are played faster or slower, in pitch too, stand
beside them in stage 1's features as ``sp0.9-<utterance>``, as in Kaldi's recipes; its
table ``key2utt`` says what is whose copy.
"""

from collections.abc import Iterable, Mapping, Sequence

from espnet_sentiment.core.errors import DataError


def perturbed(utts: Iterable[str], factors: Sequence[float]) -> dict[str, tuple]:
    """Return ``{key: (utterance, factor)}`` of the copies; factor 1 makes none.

    Raises:
        DataError: A factor is not positive.
    """
    if min(factors, default=1) <= 0:
        raise DataError(f"speed_perturb_factors are {factors}: they must be above 0")
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
