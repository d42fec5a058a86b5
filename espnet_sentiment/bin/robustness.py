"""WA, UA and macro F1 of an experiment's tested utterances, degraded in many ways.

Noise, babble, the telephone, codecs, rooms and clipping, in test alone: nothing is
trained again. Every row has intervals over speakers and is tested against the clean
recordings. Writes robustness.json, .md and .png into the experiment.
"""

import argparse
import functools
import itertools
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from espnet_sentiment.core.entry import check_gpus, device_of, run
from espnet_sentiment.core.files import read_json, sha256_of, write_json, write_text
from espnet_sentiment.core.resumable import resumable_map
from espnet_sentiment.data.audio import resample
from espnet_sentiment.data.degrade import (
    DEGRADATIONS,
    Draws,
    draw_talkers,
)
from espnet_sentiment.data.kaldi_dir import SAMPLE_RATE, KaldiDir, utterance_audio
from espnet_sentiment.data.speaker_statistics import spoken_by
from espnet_sentiment.recipe.experiment import (
    CLEAN,
    Experiment,
    add_experiment_arguments,
    fold_folders,
    predictions_hash,
)
from espnet_sentiment.recipe.stage import Stage
from espnet_sentiment.report.measuring import (
    check_hears,
    heard_inputs,
    measure_all,
    measure_once,
    sampled,
)
from espnet_sentiment.report.options import (
    add_robustness_arguments,
    check_robustness_arguments,
)

ALGORITHM = 1

# Utterances after which what is done is kept; of models that are normalised by speaker,
# those of a speaker are.
PART = 32


def get_parser() -> argparse.ArgumentParser:
    """Build the parser."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_experiment_arguments(parser)
    add_robustness_arguments(parser)
    return parser


def main(argv=None) -> None:
    """Measure every experiment on the test utterances of its folds."""
    args = get_parser().parse_args(argv)
    check_gpus(args.ngpu)
    check_robustness_arguments(args)
    measure_all(args, measure_experiment)


def measure_experiment(
    experiment: Experiment, data: KaldiDir, encoder: Mapping, args: argparse.Namespace
) -> None:
    """Measure an experiment, unless that is done, and print what was found.

    Args:
        experiment: Decoded.
        data: Its Kaldi data directory.
        encoder: What ``load_encoder_config`` returned of its encoder.
        args: ``ngpu`` and the options of ``get_parser``.

    Raises:
        DataError: The model reads transcripts, or a file is missing.
    """
    check_hears(experiment)
    folders = fold_folders(experiment)
    stage = Stage(
        f"robustness of {experiment.name}",
        experiment.dir / ".robustness.json",
        {
            **heard_inputs(folders, data, args.per_speaker),
            "speakers": sha256_of(data.utt2spk),
            "options": [args.conditions, args.channel],
        },
        ALGORITHM,
    )
    *outs, parts = (
        experiment.dir / f"robustness{x}" for x in (".json", ".md", ".png", "_parts")
    )

    def work(*paths: Any) -> list[Path]:
        found = measure(experiment, folders, data, paths, encoder, args)
        write_robustness(found, outs)
        return outs

    measure_once(stage, experiment, parts, work)
    found = read_json(outs[0])
    if found["n_clean_differs"]:
        stage.say(
            f"WARNING: of {found['n_utterances']} clean recordings, "
            f"{found['n_clean_differs']} get another class here than in stage 5"
        )
    print(outs[1].read_text(encoding="utf-8"), end="")


class Part(NamedTuple):
    """Utterances that are degraded in one way and kept together.

    Args:
        condition: ``clean``, or which of ``DEGRADATIONS``.
        speaker: Who says them, where the model is normalised by that; else None.
        utts: Those that are tested.
        others: What else the speaker says.
    """

    condition: str
    speaker: str | None
    utts: Sequence[str]
    others: Sequence[str] = ()


def plan(
    conditions: Sequence[str], tested: Sequence[str], data: KaldiDir, by_speaker: bool
) -> dict[str, Part]:
    """Return the parts of all conditions, by names of their own.

    Args:
        conditions: ``clean`` and others.
        tested: Tested utterances.
        data: Kaldi data directory.
        by_speaker: Whether the model is normalised by speaker.
    """
    spoken: dict[str, list[str]] = defaultdict(list)
    unknown = []
    for utt in tested:
        speaker = data.utt2spk[utt]
        # Of an unknown one, the utterance's id, as Kaldi has it.
        if by_speaker and speaker != utt:
            spoken[speaker].append(utt)
        else:
            unknown.append(utt)
    groups: list[tuple[str | None, Sequence[str], Sequence[str]]]
    groups = [(None, part, ()) for part in itertools.batched(unknown, PART)]
    said = spoken_by(data.utt2spk)
    for speaker, utts in spoken.items():
        groups.append((speaker, utts, sorted({*said[speaker]} - {*utts})))
    return {
        f"{condition} {number:06d}": Part(condition, *group)
        for condition in conditions
        for number, group in enumerate(groups)
    }


def measure(
    experiment: Experiment,
    folders: Mapping[str, Path],
    data: KaldiDir,
    paths: tuple[Path, str],
    encoder: Mapping,
    args,
) -> dict[str, Any]:
    """Return what ``robustness.json`` holds; what is finished is kept in a folder.

    Args:
        experiment: What is measured.
        folders: Its decoded folds.
        data: Kaldi data directory.
        paths: The folder, and a hash of what all is made from.
        encoder: Its encoder's config.
        args: See ``measure_experiment``.
    """
    from espnet_sentiment.inference.fold_classifiers import (
        load_classifiers,
        predict_folds,
    )
    from espnet_sentiment.report.scored import read_scored
    from espnet_sentiment.scoring.robustness import summarize_conditions
    from espnet_sentiment.scoring.speaker_groups import speaker_groups

    scored = read_scored(folders, data, {}, None, args.channel)
    scored, sample = sampled(scored, data, args.per_speaker)
    tested = defaultdict(list)
    for u in scored:
        tested[u.utt].append(u.fold)
    classifiers = load_classifiers(encoder, folders, device_of(args.ngpu))
    one = next(iter(classifiers.values()))
    conditions = [CLEAN, *args.conditions]
    parts = plan(conditions, list(tested), data, one.of_speaker is not None)
    sound = Sound(data, args.channel, one.encoder.sample_rate)

    def work(names: Sequence[str]) -> dict[str, dict]:
        return {
            name: predict_folds(
                classifiers,
                {utt: tested[utt] for utt in parts[name].utts},
                functools.partial(sound.read, parts[name].condition),
                parts[name].speaker,
                parts[name].others,
            )
            for name in names
        }

    sizes = {name: len(part.utts) + len(part.others) for name, part in parts.items()}
    # Each is a batch of its own.
    done = resumable_map(work, sizes, 1, *paths, desc="degrade", unit="part")
    answers: dict[str, dict] = {condition: {} for condition in conditions}
    for name, part in parts.items():
        answers[part.condition] |= done[name]
    predictions = {
        condition: [answers[condition][u.utt][u.fold] for u in scored]
        for condition in conditions
    }
    keys = [(u.fold, u.utt) for u in scored]
    groups, kind = speaker_groups(keys, data.utt2spk)
    labels = [u.label for u in scored]
    differs = [
        x != u.prediction for x, u in zip(predictions[CLEAN], scored, strict=True)
    ]
    return {
        "corpus": experiment.corpus,
        "tag": experiment.name,
        "predictions": predictions_hash(folders),
        "n_utterances": len(scored),
        **sample,
        "n_clean_differs": sum(differs),
        "n_groups": len(set(groups)),
        "groups": kind,
        "summary": summarize_conditions(labels, predictions, one.classes, groups),
        "utterances": [
            {
                **{"fold": u.fold, "utt": u.utt, "label": u.label},
                "predictions": {name: of[i] for name, of in predictions.items()},
            }
            for i, u in enumerate(scored)
        ],
    }


class Sound:
    """Reads a corpus' utterances, as they are or degraded.

    Args:
        data: Kaldi data directory.
        channel: Of recordings that have several.
        rate: At which samples are given, in Hz.
    """

    def __init__(self, data: KaldiDir, channel: str, rate: int):
        self._data, self._channel, self._rate = data, channel, rate
        self._spoken: dict[str, list[str]] = defaultdict(list)
        for utt, speaker in data.utt2spk.items():
            self._spoken[speaker].append(utt)

    def read(self, condition: str, utt: str) -> np.ndarray:
        """Return an utterance's samples (N,) in a condition."""
        samples = self._samples(utt)
        if condition != CLEAN:
            draws = Draws(utt, functools.partial(self._talkers, utt))
            degrade = DEGRADATIONS[condition].degrade
            samples = degrade(samples, SAMPLE_RATE, draws)
        return resample(samples, SAMPLE_RATE, self._rate)

    def _samples(self, utt: str) -> np.ndarray:
        return utterance_audio(self._data, utt, self._channel).read()

    def _talkers(self, utt: str, rng: np.random.Generator) -> list[np.ndarray]:
        speaker = self._data.utt2spk[utt]
        return [self._samples(one) for one in draw_talkers(rng, speaker, self._spoken)]


def write_robustness(found: Mapping[str, Any], outs: Sequence[Path]) -> None:
    """Write ``robustness.json``, ``.md`` and ``.png``."""
    from espnet_sentiment.core.escape import markdown_text
    from espnet_sentiment.report.plots import plot_conditions
    from espnet_sentiment.scoring.robustness import NAMES, robustness_text

    write_json(outs[0], found)
    name = markdown_text(f"{found['corpus']}: {found['tag']}")
    text = f"# {name}, degraded recordings\n\n{robustness_text(found)}"
    write_text(outs[1], text)
    plot_conditions(found["summary"], NAMES, outs[2])


if __name__ == "__main__":
    run(main)
