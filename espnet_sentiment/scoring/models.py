"""The models of a corpus that were scored, each with all its seeds."""

import dataclasses
import sys
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from functools import cached_property
from pathlib import Path

import numpy as np

from espnet_sentiment.core.errors import DataError
from espnet_sentiment.core.files import hash_file, read_json
from espnet_sentiment.core.stamp import DONE, SCORED, read_stamp
from espnet_sentiment.scoring.paper import (
    ACOUSTIC,
    ACOUSTIC_TEXT,
    BASE,
    E2E_ASR,
    PRETRAINED,
    TABLE3,
    UNTRAINED,
)
from espnet_sentiment.scoring.predictions import (
    REGRESSION_FILE,
    Answers,
    read_answers,
    read_predictions,
)
from espnet_sentiment.scoring.tables import honest_name


@dataclasses.dataclass(frozen=True)
class Run:
    """An experiment: a model with one seed.

    Args:
        folder: Folder of the experiment.
        results: Its ``results.json``.
    """

    folder: Path
    results: Mapping

    @property
    def seed(self) -> int:
        """Random seed."""
        return self.results["seed"]

    @property
    def sums(self) -> dict[str, str | None]:
        """SHA-256 of the results, and of what is there of predictions."""
        files = {"results": self.folder / "results.json"}
        files |= {name: self._predictions(name) for name in self._folds}
        files["regression"] = self.folder / REGRESSION_FILE
        return {n: hash_file(p) if p.is_file() else None for n, p in files.items()}

    @property
    def _folds(self) -> list[str]:
        return [fold["fold"] for fold in self.results["folds"]]

    def _predictions(self, fold: str) -> Path:
        return self.folder / f"fold{fold}" / "decode" / "predictions.jsonl"

    @property
    def protocol(self) -> tuple:
        """Classes, folds, and how many utterances of each are tested."""
        folds = [(fold["fold"], fold["n_test"]) for fold in self.results["folds"]]
        counts = [sum(row) for row in self.results["confusion"]]
        return self.results["classes"], folds, counts

    @cached_property
    def regression(self) -> dict[str, Answers]:
        """What the regressions on the store answer, by the names of their rows.

        Raises:
            DataError: They are missing, or not those that were scored.
        """
        path = self.folder / REGRESSION_FILE
        if (stamp := read_stamp(self.folder / SCORED)) is not None:
            stamp.check(path)
        if not path.is_file():
            raise DataError(
                f"{path} is missing, which earlier releases did not write: run stages "
                "3 and 6 again"
            )
        found, scored = read_answers(path), self.results["regression"]
        for name, answers in found.items():
            right = sum(label == answer for label, answer in answers.values())
            if right != round(scored.get(name, {}).get("wa", -1) * len(answers)):
                raise DataError(
                    f"{path} does not fit the results.json beside it: run stages 3 and "
                    "6 again"
                )
        return found

    @cached_property
    def predictions(self) -> Answers:
        """Label and prediction by fold and utterance.

        Raises:
            DataError: A fold is not decoded, or decoded anew since it was scored.
        """
        answers = {}
        for fold in self._folds:
            path = self._predictions(fold)
            if (stamp := read_stamp(path.with_name(DONE))) is not None:
                stamp.check(path)
            for row in read_predictions(path):
                answers[fold, row["utt"]] = row["label"], row["prediction"]
        classes, matrix = self.results["classes"], self.results["confusion"]
        scored = {
            (label, prediction): count
            for label, row in zip(classes, matrix, strict=True)
            for prediction, count in zip(classes, row, strict=True)
            if count
        }
        if dict(Counter(answers.values())) != scored:
            raise DataError(
                f"{self.folder / 'results.json'} does not fit the predictions beside "
                "it: run stages 5 and 6"
            )
        return answers


@dataclasses.dataclass(frozen=True)
class Model:
    """An encoder and a sentiment config.

    Args:
        runs: Its experiments, by rising seed.
    """

    runs: Sequence[Run]

    @property
    def encoder(self) -> str:
        """Name of the encoder config."""
        return self.runs[0].results["encoder"]

    @property
    def sentiment(self) -> str:
        """Name of the sentiment config, and the tag."""
        return self.runs[0].results["sentiment"]

    @property
    def title(self) -> str:
        """``sentiment``, and that it is normalised by speaker, where it is."""
        return honest_name(self.sentiment, self.runs[0].results)

    @property
    def name(self) -> str:
        """Both, as the option ``--base`` takes them."""
        return f"{self.encoder}/{self.sentiment}"

    @property
    def features(self) -> str:
        """Group of Table 2: one of the paper's, or what it has none for."""
        reads_text = self.runs[0].results["config"]["sentiment"].get("text_encoder")
        if reads_text and self.heard != UNTRAINED:
            return ACOUSTIC_TEXT
        return self.heard

    @property
    def heard(self) -> str:
        """``features``, whether or not a transcript is read beside the sound.

        A pre-trained encoder whose record does not say how it was trained (an earlier
        release's) counts as one of ASR.
        """
        encoder = self.runs[0].results["config"]["encoder"]
        if encoder["encoder_conf"].get("random_weights") is not None:
            return UNTRAINED
        if encoder["encoder"] is None:
            return ACOUSTIC
        told = (run.results.get("pretraining") for run in self.runs)
        return PRETRAINED.get(next(filter(None, told), ""), E2E_ASR)

    @property
    def is_pretrained(self) -> bool:
        """Whether the features are those of a trained encoder, and nothing else."""
        return self.features in PRETRAINED.values()

    @property
    def ablation(self) -> tuple[str, str] | None:
        """Config of the paper's Table 3 and the tag, or None if it is no row of it."""
        for config in sorted(TABLE3, key=len, reverse=True):
            if self.sentiment == config or self.sentiment.startswith(f"{config}_"):
                return config, self.sentiment[len(config) + 1 :]
        return None

    def mean(self, key: str, seeds: Collection[int] | None = None) -> float:
        """Return ``wa``, ``ua`` or ``macro_f1``, pooled over folds, mean over seeds.

        Args:
            key: Which.
            seeds: Of these alone; of all, if None.
        """
        runs = [run for run in self.runs if seeds is None or run.seed in seeds]
        return float(np.mean([run.results["pooled"][key] for run in runs]))

    def std(self, key: str) -> float | None:
        """Return its standard deviation over seeds; None of one."""
        if len(self.runs) < 2:
            return None
        return float(np.std([run.results["pooled"][key] for run in self.runs], ddof=1))

    def ci95(self, key: str) -> list[float]:
        """Return its interval, the bounds' means over seeds."""
        bounds = [run.results["pooled"][f"{key}_ci95"] for run in self.runs]
        return np.mean(bounds, axis=0).tolist()


def shared_seeds(model: Model, base: Model) -> list[int]:
    """Return the seeds that two models both have, on which they are compared."""
    return sorted({run.seed for run in model.runs} & {run.seed for run in base.runs})


def read_runs(exp: Path, corpus: str, tested: str | None = None) -> list[Run]:
    """Read the scored experiments of a corpus; say which cannot stand beside others.

    Args:
        exp: Folder of experiments.
        corpus: Name of the set.
        tested: Hash of the utterances and labels that its folds test now; what was
            scored on others is left out, and named.
    """
    runs = []
    for path in sorted(exp.glob(f"{corpus}_*/results.json")):
        stamp = read_stamp(path.parent / SCORED)
        try:
            if stamp is not None:
                stamp.check(path)
            run = Run(path.parent, read_json(path))
            if run.results["corpus"] != corpus:
                continue
            # Those of 0.1.0 do not say it.
            if tested is not None and run.results.get("tested_set", tested) != tested:
                raise DataError(
                    f"{path} was scored on other utterances or labels than {corpus} "
                    "has now: run stages 4 to 6 of it again"
                )
        except DataError as error:
            print(f"WARNING: {error}; left out of the table", file=sys.stderr)
            continue
        runs.append(run)
    return runs


def read_models(exp: Path, corpus: str, tested: str | None = None) -> list[Model]:
    """Read the scored experiments of a corpus.

    Args:
        exp: Folder of experiments.
        corpus: Name of the set.
        tested: See ``read_runs``.

    Raises:
        DataError: There is none.
    """
    groups: dict[tuple[str, str], list[Run]] = defaultdict(list)
    for run in read_runs(exp, corpus, tested):
        groups[run.results["encoder"], run.results["sentiment"]].append(run)
    if not groups:
        raise DataError(
            f"{exp} holds no scored experiment of {corpus}: run stages 4 to 6"
        )
    return [
        Model(sorted(runs, key=lambda run: run.seed))
        for _, runs in sorted(groups.items())
    ]


def choose_base(
    models: Sequence[Model], name: str | None = None, encoder: str | None = None
) -> Model | None:
    """Choose the model that the others are compared with.

    By default the paper's base model on the pre-trained encoder with most seeds, the
    first by name of several, one of ASR before others; one normalised by speaker only
    where all are, and one with a tag only where all have one.

    Args:
        models: All models.
        name: ``<encoder>/<sentiment>`` of another choice.
        encoder: Encoder to prefer where there are several.

    Returns:
        The model, or None when no default is there.

    Raises:
        DataError: There is no model of that name.
    """
    if name:
        for model in models:
            if model.name == name:
                return model
        names = ", ".join(model.name for model in models)
        raise DataError(f"--base {name} was not scored: choose one of {names}")
    found = [
        model
        for model in models
        if model.is_pretrained and model.ablation and model.ablation[0] == BASE
    ]
    return min(
        found,
        key=lambda model: (
            model.encoder != encoder,
            model.features != E2E_ASR,
            # Normalised by speaker, as the paper's is not.
            model.title != model.sentiment,
            model.sentiment != BASE,
            -len(model.runs),
            model.name,
        ),
        default=None,
    )
