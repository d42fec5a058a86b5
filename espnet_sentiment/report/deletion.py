"""Does a prediction rest where its attention falls? Silence those frames, and others.

Deletion and sufficiency of explanations (Samek et al., 2017, "Evaluating the
visualization of what a deep neural network has learned": the area over the perturbation
curve, AOPC; DeYoung et al., 2020, "ERASER", https://aclanthology.org/2020.acl-main.408,
there called comprehensiveness and sufficiency): what matters to a model takes its
answer away once it is gone, and keeps it where all else is gone. Attention may merely
fall on loud frames: those, and frames that are as loud by chance, are its controls.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from espnet_sentiment.core.chance import seed_of
from espnet_sentiment.scoring.intervals import mean_ci95
from espnet_sentiment.scoring.sample import sample_text
from espnet_sentiment.scoring.significance import holm, mean_p, said_least
from espnet_sentiment.scoring.tables import markdown

# Samples (n_variants, N) -> posteriors (n_variants, n_classes).
Classify = Callable[[np.ndarray], np.ndarray]

ATTENTION = "attention"
TESTS = ("deletion", "sufficiency")
KINDS = {
    ATTENTION: "most attention",
    "loudest": "loudest",
    "matched": "random, as loud as the most attended",
    "random": "random",
}
STRATA = 5  # of loudness, within which chance draws what is as loud


def n_chosen(n_frames: int, share: float) -> int:
    """Return how many of T frames a share is, at least one."""
    return max(1, round(share * n_frames))


def frame_of_sample(n_samples: int, n_frames: int, frame: float) -> np.ndarray:
    """Return the frame of every sample (N,); the last frame takes what is left."""
    index = (np.arange(n_samples) / frame).astype(int)
    return np.minimum(index, n_frames - 1)


def frame_energies(samples: np.ndarray, n_frames: int, frame: float) -> np.ndarray:
    """Return the energy of every frame (T,), the sum of its samples' squares."""
    index = frame_of_sample(len(samples), n_frames, frame)
    return np.bincount(index, samples.astype(np.float64) ** 2, n_frames)


def choose_frames(
    attention: np.ndarray,
    energy: np.ndarray,
    shares: Sequence[float],
    n_draws: int,
    seed: str,
) -> dict[str, np.ndarray]:
    """Choose frames in four ways, equally many in each.

    Args:
        attention: Attention (n_heads, T); heads are averaged.
        energy: Energy of the frames (T,).
        shares: Shares of the T frames to choose.
        n_draws: Random choices of either kind.
        seed: What the random choices depend on.

    Returns:
        Masks (n_shares, n, T), true where a frame is chosen: most ``attention`` and
        ``loudest`` (n = 1); ``matched``, random ones of which each fifth of the
        utterance's frames by loudness has as many as of the most attended; and
        ``random`` (n = n_draws). Attention's own may be among the random ones.
    """
    n_frames = len(energy)
    counts = [n_chosen(n_frames, share) for share in shares]
    rng = np.random.default_rng(seed_of(seed))
    by_energy = np.argsort(-energy, kind="stable")
    orders = {
        ATTENTION: [np.argsort(-attention.mean(axis=0), kind="stable")],
        "loudest": [by_energy],
        "random": [rng.permutation(n_frames) for _ in range(n_draws)],
    }
    masks = {
        kind: np.stack(
            [[_mask(n_frames, order[:n]) for order in of_kind] for n in counts]
        )
        for kind, of_kind in orders.items()
    }
    strata = np.array_split(by_energy, STRATA)
    masks["matched"] = np.stack(
        [
            [_as_loud(attended, strata, rng) for _ in range(n_draws)]
            for attended in masks[ATTENTION][:, 0]
        ]
    )
    return masks


def _mask(n_frames: int, chosen: np.ndarray) -> np.ndarray:
    return np.isin(np.arange(n_frames), chosen)


def _as_loud(
    attended: np.ndarray, strata: Sequence[np.ndarray], rng: np.random.Generator
) -> np.ndarray:
    """Draw as many frames of every stratum as are attended (T,)."""
    drawn = [rng.permutation(frames)[: attended[frames].sum()] for frames in strata]
    return _mask(len(attended), np.concatenate(drawn))


def silence(samples: np.ndarray, masks: np.ndarray, frame: float) -> np.ndarray:
    """Set the samples of frames to zero.

    Args:
        samples: Samples (N,).
        masks: Frames to silence (n, T).
        frame: Samples a frame; the last frame takes what is left.

    Returns:
        Variants (n, N).
    """
    index = frame_of_sample(len(samples), masks.shape[1], frame)
    return np.where(masks[:, index], 0, samples)


def measure(
    samples: np.ndarray,
    masks: Mapping[str, np.ndarray],
    frame: float,
    classify: Classify,
) -> dict[str, dict[str, list[float]]]:
    """Measure by how much the posterior of the predicted class falls.

    Args:
        samples: Samples (N,) of an utterance.
        masks: What ``choose_frames`` returned.
        frame: Samples a frame.
        classify: The model.

    Returns:
        By kind, a number a share, means over draws: ``deletion``, how far the posterior
        of the class that was predicted for the whole utterance falls (below zero: how
        far it rises) once these frames are silent; ``sufficiency``, the same once all
        others are; ``energy``, the share of the utterance's energy in these frames;
        ``attended``, the share of them that are among the most attended.
    """
    flat = {kind: m.reshape(-1, m.shape[-1]) for kind, m in masks.items()}
    silent = [m for of_kind in flat.values() for m in (of_kind, ~of_kind)]
    posteriors = classify(
        np.concatenate([samples[None], silence(samples, np.concatenate(silent), frame)])
    )
    predicted = int(posteriors[0].argmax())
    falls = posteriors[0, predicted] - posteriors[1:, predicted]
    energy = frame_energies(samples, masks[ATTENTION].shape[-1], frame)
    measured, begin = {}, 0
    for kind, of_kind in masks.items():
        n_shares, n_draws, _ = of_kind.shape
        both = falls[begin : begin + 2 * n_shares * n_draws]
        begin += len(both)
        means = both.reshape(2, n_shares, n_draws).mean(axis=2).tolist()
        attended = (of_kind & masks[ATTENTION]).sum(axis=2) / of_kind.sum(axis=2)
        measured[kind] = {
            **dict(zip(TESTS, means, strict=True)),
            "energy": ((of_kind @ energy).mean(axis=1) / (energy.sum() or 1)).tolist(),
            "attended": attended.mean(axis=1).tolist(),
        }
    return measured


def summarize(
    measured: Sequence[Mapping[str, Mapping[str, Sequence[float]]]],
    groups: Sequence[str],
) -> dict[str, dict[str, Any]]:
    """Average over utterances, and compare attention with every other kind.

    Args:
        measured: What ``measure`` returned of every utterance.
        groups: Speaker of every utterance, see ``speaker_groups``.

    Returns:
        By kind ``energy`` and ``attended``, means over utterances and shares, and for
        ``deletion`` and ``sufficiency``: ``falls``, a mean a share; ``area``, the mean
        over shares, where of deletion no frame is a share, too, whose fall is 0: AOPC;
        its ``ci95`` over groups; but for attention, ``p`` of its paired permutation
        test against attention, two-sided, corrected for the rows (Holm).
    """
    summary: dict[str, dict[str, Any]] = {
        kind: {
            key: float(np.mean([row[kind][key] for row in measured]))
            for key in ("energy", "attended")
        }
        for kind in measured[0]
    }
    for test in TESTS:
        areas = {}
        for kind, found in summary.items():
            falls = np.array([row[kind][test] for row in measured])
            n_points = falls.shape[1] + (test == "deletion")
            areas[kind] = falls.sum(axis=1) / n_points
            found[test] = {
                "falls": falls.mean(axis=0).tolist(),
                "area": float(areas[kind].mean()),
                "ci95": mean_ci95(areas[kind], groups),
            }
        others = [kind for kind in summary if kind != ATTENTION]
        p = [mean_p(areas[ATTENTION] - areas[kind], groups) for kind in others]
        for kind, corrected in zip(others, holm(p), strict=True):
            summary[kind][test]["p"] = corrected
    return summary


def deletion_text(found: Mapping) -> str:
    """Write what ``deletion.json`` holds as Markdown: two tables, what they mean."""
    least = said_least(found["n_groups"], found["groups"], len(found["summary"]) - 1)
    return (
        f"{deletion_table(found)}\n"
        f"{sample_text(found)}; by how much the posterior of the predicted class "
        f"falls. 95 %: jackknife over {found['n_groups']} {found['groups']}. p: "
        "two-sided paired permutation test against most attention, corrected for the "
        "rows (Holm).\n"
        f"{''.join(least)}"
    )


def deletion_table(found: Mapping) -> str:
    """Write what ``deletion.json`` holds as Markdown, a table for either test."""
    shares = [f"{share:.0%}" for share in found["shares"]]
    texts = []
    for test, what, area in zip(
        TESTS, ("silenced", "kept alone"), ("AOPC", "mean"), strict=True
    ):
        rows = []
        for kind, name in KINDS.items():
            row = found["summary"][kind]
            of_test = row[test]
            low, high = of_test["ci95"]
            rows.append(
                [
                    name,
                    *(f"{fall:.3f}" for fall in of_test["falls"]),
                    f"{of_test['area']:.3f}",
                    f"{low:.3f} to {high:.3f}",
                    f"{of_test['p']:.3f}" if "p" in of_test else "",
                    f"{100 * row['energy']:.1f}",
                    f"{100 * row['attended']:.1f}",
                ]
            )
        header = [f"frames {what}", *shares, area, "95 %", "p"]
        texts.append(markdown([*header, "energy (%)", "attended (%)"], rows))
    return "\n".join(texts)
