"""WA, UA, F1 and their confidence intervals, by scikit-learn.

WA is the share of all utterances that are right; UA is the mean of the classes'
recalls (paper, Section 3.1).
"""

from collections.abc import Sequence

from sklearn.metrics import (
    accuracy_score,
    balanced_accuracy_score,
    confusion_matrix,
    f1_score,
)

from espnet_sentiment.scoring.intervals import ci95

BOOTSTRAP_SAMPLES = 2000  # of error rates and of measures of votes


def weighted_accuracy(labels: Sequence[str], predictions: Sequence[str]) -> float:
    """Return WA, the share of utterances that are right."""
    return float(accuracy_score(labels, predictions))


def unweighted_accuracy(labels: Sequence[str], predictions: Sequence[str]) -> float:
    """Return UA, the mean recall of the classes that occur in ``labels``."""
    # Predictions of a class that no label has are wrong, and balanced_accuracy_score
    # warns of them; they need no warning.
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return float(balanced_accuracy_score(labels, predictions))


def confusion(
    labels: Sequence[str], predictions: Sequence[str], classes: Sequence[str]
) -> list[list[int]]:
    """Return the confusion matrix: rows are the truth, columns the prediction."""
    return confusion_matrix(labels, predictions, labels=list(classes)).tolist()


def summarize(
    labels: Sequence[str],
    predictions: Sequence[str],
    classes: Sequence[str],
    groups: Sequence[str],
) -> dict:
    """Return WA, UA and macro F1 with 95 % intervals, as in ``results.json``.

    Args:
        labels: True classes.
        predictions: Predicted classes.
        classes: Class names.
        groups: Speaker of every utterance, see ``speaker_groups``.
    """
    ci = ci95(labels, predictions, groups)
    return {
        "wa": weighted_accuracy(labels, predictions),
        "ua": unweighted_accuracy(labels, predictions),
        "macro_f1": float(
            f1_score(
                labels,
                predictions,
                # As UA does, it leaves out classes that nothing is labelled by.
                labels=[name for name in classes if name in {*labels}],
                average="macro",
                zero_division=0,
            )
        ),
        "wa_ci95": ci["wa"],
        "ua_ci95": ci["ua"],
    }
