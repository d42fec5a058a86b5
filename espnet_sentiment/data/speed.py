"""Speed perturbation (Ko et al., "Audio augmentation for speech recognition", 2015).

Copies of the training utterances that are played faster or slower, in pitch too, stand
beside them in stage 1's features as ``sp0.9-<utterance>``, as in Kaldi's recipes.
"""

import re
from collections.abc import Iterable, Sequence

PREFIX = re.compile(r"sp\d+(\.\d+)?-")


def perturbed(utts: Iterable[str], factors: Sequence[float]) -> dict[str, tuple]:
    """Return ``{key: (utterance, factor)}`` of the copies; factor 1 makes none."""
    utts = list(utts)
    return {
        f"sp{factor:g}-{utt}": (utt, factor)
        for factor in factors
        if factor != 1
        for utt in utts
    }


def copies(keys: Iterable[str], utts: Iterable[str]) -> dict[str, str]:
    """Return ``{key: utterance}`` of given utterances and of their copies.

    Args:
        keys: All keys of the features.
        utts: The utterances that are wanted.
    """
    wanted = set(utts)
    found = {}
    for key in keys:
        utt = key if key in wanted else PREFIX.sub("", key, count=1)
        if utt in wanted:
            found[key] = utt
    return found
