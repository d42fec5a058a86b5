"""What can be told of the classes without an encoder: what a score has to beat.

Logistic regressions that learn on each fold's training utterances and answer its
tested ones, from what stands beside the sound (metadata), what was said (text), or how
loud and long it is; annotators who are left out of the vote; and the largest class.
Nothing is tuned: C is scikit-learn's default, 1.
"""

import dataclasses
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from espnet_sentiment.data.folds import Fold
from espnet_sentiment.data.metadata import Metadata
from espnet_sentiment.scoring.human import krippendorff_alpha, left_out
from espnet_sentiment.scoring.layer_probe import TOLERANCE, nothing
from espnet_sentiment.scoring.metrics import summarize
from espnet_sentiment.scoring.reference_rows import METADATA
from espnet_sentiment.scoring.speaker_groups import speaker_groups

C = 1.0
WORDS, CHARACTERS = (1, 2), (2, 5)  # n-grams
WORD = r"\w+|[^\w\s]"  # no text but a blank one is empty


@dataclasses.dataclass(frozen=True)
class Scored:
    """What all references of a set are scored on.

    Args:
        folds: What to learn on and to test.
        utt2label: Class of every utterance.
        utt2spk: Speaker of every utterance, see ``speaker_groups``.
        classes: Class names.
    """

    folds: Sequence[Fold]
    utt2label: Mapping[str, str]
    utt2spk: Mapping[str, str]
    classes: Sequence[str]

    @property
    def keys(self) -> list[tuple[str, str]]:
        """Fold and utterance of all that is tested."""
        return [(f.name, utt) for f in self.folds for utt in self.labelled(f.test)]

    def labelled(self, utts: Iterable[str]) -> list[str]:
        """Return those of some utterances that have a label."""
        return [utt for utt in utts if utt in self.utt2label]

    def score(
        self,
        keys: Sequence[tuple[str, str]],
        truth: Sequence[str],
        answers: Sequence[str],
    ) -> dict[str, Any]:
        """Return WA, UA, macro F1 and intervals, and what these are over."""
        groups, kind = speaker_groups(keys, self.utt2spk)
        return {
            **summarize(truth, answers, self.classes, groups),
            "ci95_over": kind,
            "n": len(truth),
        }


def majority(tested: Scored) -> dict[str, Any]:
    """Score always answering the class that most tested utterances have.

    UA has no interval: it is one over the number of classes, whoever is tested.
    """
    truth = [tested.utt2label[utt] for _, utt in tested.keys]
    largest = Counter(truth).most_common(1)[0][0]
    scores = tested.score(tested.keys, truth, [largest] * len(truth))
    del scores["ua_ci95"]
    return scores


def from_metadata(
    tested: Scored, metadata: Metadata, advance: Callable[[], object] = nothing
) -> tuple[str, dict[str, Any]] | None:
    """Score what speaker, gender, group, sentence and duration tell.

    A category is one of its own, one-hot; of a duration the logarithm to base 2 is
    learned from. What training utterances do not have, a new speaker for one, adds
    nothing to an answer.

    Args:
        tested: What to score.
        metadata: What is known; nothing of some utterances.
        advance: Called after every fold.

    Returns:
        The row's name, which tells of what it is, and its scores; None where nothing is
        known.
    """
    from sklearn.feature_extraction import DictVectorizer

    known = list(metadata.categories) + (["duration"] if metadata.seconds else [])
    if not known:
        return None
    rows: dict[str, dict[str, str | float]] = {utt: {} for utt in tested.utt2label}
    for name, values in metadata.categories.items():
        for utt in values.keys() & rows.keys():
            rows[utt][name] = values[utt]
    for utt in metadata.seconds.keys() & rows.keys():
        rows[utt]["duration"] = float(np.log2(metadata.seconds[utt]))
    name = f"{METADATA}: {', '.join(known)}"
    return name, _regress(tested, rows, lambda: [DictVectorizer()], advance)


def from_text(
    tested: Scored, text: Mapping[str, str], advance: Callable[[], object] = nothing
) -> dict[str, Any] | None:
    """Score what the transcripts tell: tf-idf of words, pairs and characters.

    Args:
        tested: What to score.
        text: Transcripts; one that is missing is empty.
        advance: Called after every fold.

    Returns:
        The scores; None where a fold has no transcript to learn from.
    """
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.pipeline import make_union

    rows = {utt: text.get(utt, "") for utt in tested.utt2label}
    for fold in tested.folds:
        if not any(rows[utt].strip() for utt in tested.labelled(fold.train)):
            return None  # no vocabulary

    def steps() -> list[Any]:
        words = TfidfVectorizer(
            token_pattern=WORD, ngram_range=WORDS, sublinear_tf=True
        )
        characters = TfidfVectorizer(
            analyzer="char_wb", ngram_range=CHARACTERS, sublinear_tf=True
        )
        return [make_union(words, characters)]

    return _regress(tested, rows, steps, advance)


def from_loudness(
    tested: Scored,
    measured: Mapping[str, np.ndarray],
    advance: Callable[[], object] = nothing,
) -> dict[str, Any]:
    """Score what loudness and duration tell.

    Args:
        tested: What to score.
        measured: Numbers (P,) of every utterance that trains or is tested: loudness,
            and in the end its seconds, of which the logarithm is learned from.
        advance: Called after every fold.
    """
    from sklearn.preprocessing import StandardScaler

    rows = {utt: [*x[:-1], np.log2(x[-1])] for utt, x in measured.items()}
    return _regress(tested, rows, lambda: [StandardScaler()], advance)


def annotators(
    tested: Scored, utt2votes: Mapping[str, str]
) -> tuple[dict[str, Any] | None, dict[str, float] | None]:
    """Score annotators against the majority of the others, and their agreement.

    Args:
        tested: What to score.
        utt2votes: Votes of all utterances.

    Returns:
        Scores, with how much was left out and why, see :class:`LeftOut`, None where no
        vote is compared; and :func:`krippendorff_alpha`.
    """
    utts = [u for u in dict.fromkeys(utt for _, utt in tested.keys) if u in utt2votes]
    found = left_out(utts, tested.classes, utt2votes)
    alpha = krippendorff_alpha(utt2votes, tested.classes)
    if not found.rows:
        return None, alpha
    heard, truth, answers = map(list, zip(*found.rows, strict=True))
    fold_of = {utt: fold for fold, utt in tested.keys}
    scores = tested.score([(fold_of[utt], utt) for utt in heard], truth, answers)
    missed = {k: v for k, v in found._asdict().items() if k != "rows"}
    return {**scores, **missed}, alpha


def _regress(
    tested: Scored,
    rows: Mapping[str, Any],
    steps: Callable[[], list[Any]],
    advance: Callable[[], object],
) -> dict[str, Any]:
    """Learn every fold anew, the steps before the regression included."""
    from sklearn.dummy import DummyClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    answers: list[str] = []
    for fold in tested.folds:
        train = tested.labelled(fold.train)
        labels = [tested.utt2label[utt] for utt in train]
        if len(set(labels)) == 1:  # nothing to tell apart
            model: Any = DummyClassifier(strategy="most_frequent")
        else:
            regression = LogisticRegression(C=C, tol=TOLERANCE, max_iter=1000)
            model = make_pipeline(*steps(), regression)
        model.fit([rows[utt] for utt in train], labels)
        answers += model.predict(
            [rows[utt] for utt in tested.labelled(fold.test)]
        ).tolist()
        advance()
    truth = [tested.utt2label[utt] for _, utt in tested.keys]
    return tested.score(tested.keys, truth, answers)
