"""Does a prediction rest where its attention falls? Silence those frames, and others.

The deletion test of explanations (DeYoung et al., 2020, "ERASER", there called
comprehensiveness: https://aclanthology.org/2020.acl-main.408): what matters to a model
is what changes its answer once it is gone.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from scipy.stats import wilcoxon

# Samples (n_variants, N) -> posteriors (n_variants, n_classes).
Classify = Callable[[np.ndarray], np.ndarray]


def n_deleted(n_frames: int, share: float) -> int:
    """Return how many of T frames a share is, at least one."""
    return max(1, round(share * n_frames))


def deletion_masks(
    attention: np.ndarray, share: float, n_draws: int, seed: str
) -> dict[str, np.ndarray]:
    """Choose the frames to delete, equally many in every way.

    Args:
        attention: Attention (n_heads, T); heads are averaged.
        share: Share of the T frames to delete.
        n_draws: Random choices of either kind.
        seed: What the random choices depend on.

    Returns:
        Masks (n, T), true where a frame goes: ``highest`` and ``lowest`` attention
        (n = 1); ``random`` frames (n = n_draws); and ``shifted``, the highest moved in
        a circle by a random number of frames, which keeps their runs as long.
    """
    weights = attention.mean(axis=0)
    n_frames = len(weights)
    n = n_deleted(n_frames, share)
    digest = hashlib.sha256(seed.encode()).digest()
    rng = np.random.default_rng(int.from_bytes(digest[:8], "little"))
    order = np.argsort(-weights, kind="stable")
    highest = np.isin(np.arange(n_frames), order[:n])
    draws = [rng.permutation(n_frames)[:n] for _ in range(n_draws)]
    shifts = rng.integers(1, max(2, n_frames), size=n_draws)
    return {
        "highest": highest[None],
        "lowest": np.isin(np.arange(n_frames), order[-n:])[None],
        "random": np.stack([np.isin(np.arange(n_frames), draw) for draw in draws]),
        "shifted": np.stack([np.roll(highest, shift) for shift in shifts]),
    }


def silence(samples: np.ndarray, masks: np.ndarray, frame: float) -> np.ndarray:
    """Set the samples of frames to zero.

    Args:
        samples: Samples (N,).
        masks: Frames to silence (n, T).
        frame: Samples a frame; the last frame takes what is left.

    Returns:
        Variants (n, N).
    """
    index = (np.arange(len(samples)) / frame).astype(int)
    return np.where(masks[:, np.minimum(index, masks.shape[1] - 1)], 0, samples)


def delete(
    samples: np.ndarray,
    masks: Mapping[str, np.ndarray],
    frame: float,
    classify: Classify,
) -> dict[str, dict[str, float]]:
    """Measure how far every kind of deletion moves the prediction.

    Args:
        samples: Samples (N,) of an utterance.
        masks: What ``deletion_masks`` returned.
        frame: Samples a frame.
        classify: The model.

    Returns:
        By kind, means over its masks: ``change``, the absolute change of the posterior
        of the class that was predicted for the whole utterance; ``flipped``, the share
        that another class is predicted for.
    """
    variants = [silence(samples, masks[kind], frame) for kind in masks]
    posteriors = classify(np.concatenate([samples[None], *variants]))
    predicted = int(posteriors[0].argmax())
    measured, begin = {}, 1
    for kind, of_kind in masks.items():
        rows = posteriors[begin : begin + len(of_kind)]
        begin += len(of_kind)
        measured[kind] = {
            "change": float(
                np.abs(rows[:, predicted] - posteriors[0, predicted]).mean()
            ),
            "flipped": float((rows.argmax(axis=1) != predicted).mean()),
        }
    return measured


def summarize_deletions(
    measured: Sequence[Mapping[str, Mapping[str, float]]],
) -> dict[str, dict[str, float]]:
    """Average over utterances, and compare ``highest`` with every other kind.

    Returns:
        By kind ``change`` and ``flipped``; but for ``highest``, also ``p``, of the
        one-sided Wilcoxon signed-rank test that the highest attention changes more.
    """
    summary = {}
    changes = {k: np.array([row[k]["change"] for row in measured]) for k in measured[0]}
    for kind, of_kind in changes.items():
        flipped = float(np.mean([row[kind]["flipped"] for row in measured]))
        summary[kind] = {"change": float(of_kind.mean()), "flipped": flipped}
        if kind != "highest":
            test = wilcoxon(changes["highest"], of_kind, alternative="greater")
            summary[kind]["p"] = float(test.pvalue)
    return summary
