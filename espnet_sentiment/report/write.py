"""Write the report of an experiment."""

import argparse
from collections.abc import Callable, Mapping
from pathlib import Path

from espnet_sentiment.asr.formats import read_ctm
from espnet_sentiment.asr.words import AlignedWord
from espnet_sentiment.core.errors import DataError
from espnet_sentiment.core.files import read_json, read_table
from espnet_sentiment.core.stamp import DONE
from espnet_sentiment.data.asr_text import text_dir
from espnet_sentiment.data.kaldi_dir import KaldiDir
from espnet_sentiment.recipe.experiment import (
    Experiment,
    align_dir,
    checked,
)
from espnet_sentiment.report.measured import (
    read_deletion,
    read_robustness,
    read_speaker_curve,
)
from espnet_sentiment.report.page import write_page


def ctm_path(experiment: Experiment, alignment: str) -> Path:
    """Return the file of word times.

    Raises:
        DataError: Times are asked for by name, but there are none.
    """
    model = alignment or experiment.encoder
    path = align_dir(experiment.dump, model, experiment.corpus) / "ctm"
    if not alignment or path.exists():
        return path
    if not Path(alignment).exists():
        raise DataError(
            f"--alignment {alignment}: there is no such encoder config, and no {path}"
        )
    raise DataError(
        f"{path} is missing: align the words by this model first (espnet-sentiment "
        f"align {experiment.data_dir} --encoder {alignment}), if it can"
    )


def read_text_and_words(
    experiment: Experiment, data: KaldiDir, ctm: Path
) -> tuple[Mapping[str, str], Mapping[str, list[AlignedWord]] | None]:
    """Read transcripts, the corpus's own or else recognised ones, and word times."""
    text, recognised = data.text, recognised_text(experiment)
    if not any(text.values()) and _was_made(recognised):
        text = read_table(checked(recognised, "stage 3 (transcripts)"))
    return text, read_ctm(checked(ctm, "align")) if _was_made(ctm) else None


def _was_made(path: Path) -> bool:
    """Tell whether a file is there, or was: what was set aside has to be made again."""
    return path.exists() or path.with_name(DONE).exists()


def recognised_text(experiment: Experiment) -> Path:
    """Return the file of what the encoder's ASR model recognised."""
    folder = text_dir(experiment.dump, experiment.encoder, experiment.corpus)
    return folder / "text"


def write_report(
    experiment: Experiment,
    folders: Mapping[str, Path],
    data: KaldiDir,
    ctm: Path,
    say: Callable[[str], None],
    args: argparse.Namespace,
) -> list[Path]:
    """Write ``report.html`` and ``words.csv``; return them.

    Args:
        experiment: What is reported on, scored.
        folders: Folders of its decoded folds by name.
        data: Kaldi data directory.
        ctm: Word times; the file may be missing.
        say: Takes a line of warning.
        args: The options of ``add_report_arguments``.

    Raises:
        DataError: Something that the report is made of is missing.
    """
    # Here, so that a stage that is up to date is quick.
    from espnet_sentiment.report.examples import choose_examples
    from espnet_sentiment.report.rows import utterance_media, utterance_row
    from espnet_sentiment.report.scored import read_scored
    from espnet_sentiment.report.summary import summarize_experiment
    from espnet_sentiment.scoring.tables import write_csv

    results = read_json(experiment.dir / "results.json")
    text, words = read_text_and_words(experiment, data, ctm)
    utterances = read_scored(folders, data, text, words, args.channel)
    histories = {n: read_json(f / "history.json") for n, f in folders.items()}
    summary = summarize_experiment(results, histories, utterances, args.min_count)
    heard = [u for u in utterances if u.duration is not None]
    if len(heard) < len(utterances):
        say(
            f"WARNING: {len(utterances) - len(heard)} of {len(utterances)} recordings "
            f"cannot be read: the report names them ({data.path / 'wav.scp'})"
        )
    chosen = choose_examples(heard, args.embed)
    classes, folder = results["classes"], experiment.dir
    page = {
        **summary,
        "alignment": str(ctm) if words is not None else None,
        "deletion": read_deletion(experiment.dir, folders, say),
        **read_robustness(experiment.dir, folders, say),
        **read_speaker_curve(experiment.dir, folders),
    }
    rows = (utterance_row(u, classes, folder, u.utt in chosen) for u in utterances)
    media = ((u.utt, utterance_media(u)) for u in utterances if u.utt in chosen)
    outputs = [folder / "report.html"]
    title = f"{results['corpus']}: {results['tag']}"
    write_page(outputs[0], title, page, rows, media, args.language)
    if summary["attention"]:
        outputs.append(folder / "words.csv")
        write_csv(
            outputs[1],
            ["class", "word", "weight", "count"],
            (
                {"class": name, "word": word, "weight": f"{weight:.3f}", "count": count}
                for name, rows in summary["attention"]["words"].items()
                for word, weight, count in rows
            ),
        )
    else:  # those of an earlier model
        (folder / "words.csv").unlink(missing_ok=True)
    return outputs
