"""Options and paths that the stages share."""

import argparse
import dataclasses
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from espnet_sentiment.core.config import read_config
from espnet_sentiment.core.entry import add_gpu_argument
from espnet_sentiment.core.errors import DataError, UserError
from espnet_sentiment.core.files import (
    PathLike,
    hash_file,
    read_json,
    read_table,
    sha256_of,
)
from espnet_sentiment.core.stamp import (
    DONE,
    Stamp,
    check_ended,
    need_stamp,
    read_stamp,
)
from espnet_sentiment.data.asr_text import text_dir
from espnet_sentiment.data.feature_store import INDEX, FeatureStore
from espnet_sentiment.data.folds import read_folds
from espnet_sentiment.recipe.sentiment_options import transcripts_name

PREDICTIONS = "predictions.jsonl"
CLEAN = "clean"  # the store without SpecAugment; its lock is that of all of them
WARP = 2  # of how SpecAugment warps, whose views alone are made again by another number


def add_common_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options that say which corpus and which encoder."""
    parser.add_argument("--data_dir", required=True, help="Kaldi data directory")
    parser.add_argument(
        "--encoder", required=True, help="encoder config, conf/encoder/*.yaml"
    )
    parser.add_argument(
        "--encoder_model", help="path or name of its weights, instead of the config's"
    )
    parser.add_argument("--dump", default="dump", help="folder of features")


def add_experiment_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options that name experiments: one for each config and seed."""
    add_common_arguments(parser)
    parser.add_argument(
        "--sentiment",
        nargs="+",
        required=True,
        help="sentiment configs, conf/sentiment/*.yaml",
    )
    parser.add_argument(
        "--transcripts",
        default="",
        help="what a text branch reads: the encoder config of an ASR model, or "
        "'reference', the corpus' own transcripts",
    )
    parser.add_argument("--seed", nargs="+", type=int, default=[0])
    parser.add_argument("--tag", default="", help="appended to the experiments' names")
    parser.add_argument("--exp", default="exp", help="folder of experiments")
    parser.add_argument(
        "--tune",
        type=int,
        default=0,
        metavar="N",
        help="the experiments whose folds chose among N settings by their validation "
        "utterances, called ..._tuneN (default: those that are not tuned)",
    )
    add_gpu_argument(parser)


@dataclasses.dataclass(frozen=True)
class Experiment:
    """One sentiment config with one seed on one corpus and encoder.

    Args:
        data_dir: Kaldi data directory ``data/<set>``.
        encoder: Encoder config.
        sentiment: Sentiment config.
        seed: Random seed.
        tag: Appended to the name.
        exp: Folder of experiments.
        dump: Folder of features.
        transcripts: Name of the transcripts that a text branch reads; empty without.
        folder: Its folder, where that has been renamed or moved.
        set_name: Name of the set, where ``data_dir`` has another.
        encoder_config: What ``load_encoder_config`` returned when it was scored, if
            that is known.
    """

    data_dir: Path
    encoder: Path
    sentiment: Path
    seed: int
    tag: str
    exp: Path
    dump: Path
    transcripts: str = ""
    folder: Path | None = None
    set_name: str | None = None
    encoder_config: Mapping[str, Any] | None = None

    @classmethod
    def from_folder(
        cls,
        folder: PathLike,
        data_dir: PathLike | None = None,
        dump: PathLike | None = None,
    ) -> Self:
        """Describe a scored experiment, which may have been renamed or moved.

        Its paths start from the recipe, the folder above ``exp/``, as those do that
        its stages and tables hold: go there (``contextlib.chdir``) to use them. What
        is given keeps its place.

        Args:
            folder: ``exp/<set>_<name>``, with the ``results.json`` of stage 6.
            data_dir: Kaldi data directory; None is the recipe's ``data/<set>``.
            dump: Folder of features; None is the recipe's ``dump``.

        Raises:
            DataError: It is no scored experiment, or its data directory is not there.
        """
        place = Path(folder).absolute()
        recipe = place.parent.parent
        results = _read_results(place / "results.json", folder)
        corpus = results["corpus"]
        data = Path("data", corpus) if data_dir is None else Path(data_dir).absolute()
        if not (recipe / data).is_dir():
            raise DataError(
                f"{recipe / data} is missing, the data directory of {folder}: name it "
                "by --data_dir"
            )
        return cls(
            data_dir=data,
            # Files' names, so that names with a dot stay whole.
            encoder=Path("conf", "encoder", f"{results['encoder']}.yaml"),
            sentiment=Path("conf", "sentiment", f"{results['sentiment']}.yaml"),
            seed=results["seed"],
            tag="",
            exp=Path(place.parent.name),
            dump=Path("dump") if dump is None else Path(dump).absolute(),
            folder=Path(place.parent.name, place.name),
            set_name=corpus,
            encoder_config=results["config"]["encoder"],
        )

    @property
    def corpus(self) -> str:
        """Name of the set."""
        return self.set_name or self.data_dir.name

    @property
    def name(self) -> str:
        """Encoder, decoder, tag and seed: what tells experiments apart."""
        return f"{self.encoder.stem}_{self.label}_seed{self.seed}"

    @property
    def label(self) -> str:
        """Name of the sentiment config, the transcripts, and the tag."""
        return "_".join(filter(None, [self.sentiment.stem, self.transcripts, self.tag]))

    @property
    def dir(self) -> Path:
        """Folder ``exp/<set>_<name>``, or where it is now."""
        return self.folder or self.exp / f"{self.corpus}_{self.name}"

    def fold_dir(self, fold: str) -> Path:
        """Folder of a fold, by the fold's name."""
        return self.dir / f"fold{fold}"

    @property
    def text(self) -> Path | None:
        """Transcripts that the text branch reads; None without a text branch."""
        if not self.transcripts:
            return None
        return text_dir(self.dump, self.transcripts, self.corpus) / "text"

    @property
    def encode_stamps(self) -> list[Path]:
        """Stamps of the runs of stage 3 that filled the feature stores."""
        return sorted(self.store.glob("encode-????????.json"))

    @property
    def encoder_record(self) -> Path:
        """What stage 2 wrote of the encoder."""
        return self.store.parent / "encoder.json"

    @property
    def store(self) -> Path:
        """Folder of the feature stores of this corpus and encoder."""
        return self.dump / self.encoder.stem / self.corpus


def _read_results(path: Path, folder: PathLike) -> dict[str, Any]:
    if not path.is_file():
        raise DataError(
            f"{folder} holds no results.json: name a folder exp/<set>_<name> of a "
            "recipe, and run the recipe up to stage 6 first"
        )
    results = read_json(path)
    missing = {"config", "corpus", "encoder", "sentiment", "seed"} - results.keys()
    if missing:
        raise DataError(
            f"{path} does not say {', '.join(sorted(missing))}: score the experiment "
            "again, by stage 6 of its recipe"
        )
    return results


def experiments(args: argparse.Namespace) -> Iterator[Experiment]:
    """Give the experiments that the options name.

    Raises:
        DataError: A sentiment config is missing or wants transcripts.
        UserError: The tag is that of tuned experiments, which these are not.
    """
    for seed in args.seed:
        for sentiment in args.sentiment:
            yield Experiment(
                data_dir=Path(args.data_dir),
                encoder=Path(args.encoder),
                sentiment=Path(sentiment),
                seed=seed,
                tag=tuned_tag(args.tag, args.tune),
                exp=Path(args.exp),
                dump=Path(args.dump),
                transcripts=transcripts_name(sentiment, args.transcripts),
            )


def tuned_tag(tag: str, n_settings: int) -> str:
    """Return the tag of experiments, which says among how many settings folds chose.

    Args:
        tag: What the user gives.
        n_settings: 0 where nothing is tuned.

    Raises:
        UserError: The tag says it already.
    """
    if found := re.search(r"(?:^|_)tune(\d+)$", tag):
        raise UserError(
            f"--tag {tag}: tuned experiments are called so: give --tune {found[1]}, or "
            "another tag"
        )
    return "_".join(filter(None, [tag, f"tune{n_settings}" if n_settings else ""]))


def read_transcripts(
    experiment: Experiment, utts: Iterable[str]
) -> dict[str, str] | None:
    """Read what a text branch reads; None without one.

    Raises:
        DataError: The transcripts are missing, or lack an utterance.
    """
    if experiment.text is None:
        return None
    if not experiment.text.exists():
        raise DataError(f"{experiment.text} is missing: run stage 3 (transcripts)")
    texts = read_table(checked(experiment.text, "stage 3 (transcripts)"))
    for utt in utts:
        if utt not in texts:
            raise DataError(
                f"{experiment.text}: utterance {utt} is missing: run stage 3 again"
            )
    return texts


def checked(path: Path, remedy: str) -> Path:
    """Return a file that a stage wrote, or a user, once it is seen to be whole.

    Args:
        path: The file, in the folder of the stage's stamp.
        remedy: What to run where the stage was interrupted.

    Raises:
        DataError: The stage was interrupted, or the file was changed since.
    """
    check_ended(path.with_name(DONE), remedy)
    if (stamp := read_stamp(path.with_name(DONE))) is not None:
        stamp.check(path)
    return path


def used_folders(all_experiments: Iterable[Experiment]) -> list[Path]:
    """Return the folders of features and transcripts that experiments read."""
    folders = []
    for experiment in all_experiments:
        # The store of an encoder called fbank shares its folder with stage 1.
        folders += [experiment.store, experiment.store / CLEAN]
        if experiment.text is not None:
            folders.append(experiment.text.parent)
    return folders


def open_store(experiment: Experiment, root: Path) -> FeatureStore:
    """Open one of the stores that stage 3 wrote.

    Raises:
        DataError: It is not complete, or its index was changed.
    """
    for stamp in filter(None, map(read_stamp, experiment.encode_stamps)):
        stamp.check(root / INDEX)
    return FeatureStore(root)


def check_encoder(store: FeatureStore, described: Mapping[str, Any]) -> None:
    """Refuse features that are not of an encoder.

    Args:
        store: What stage 3 wrote.
        described: What ``describe_encoder`` says of the encoder's config.

    Raises:
        DataError: They are another's.
    """
    if store.meta["encoder"] != described:
        raise DataError(
            f"{store.root} is not of the encoder that there is now: run stage 3 again"
        )


def model_inputs(
    experiment: Experiment, encoder: Mapping[str, Any], classes: Sequence[str]
) -> dict[str, Any]:
    """Return what all folds' trainings are made from, besides data and features.

    Args:
        experiment: What is trained.
        encoder: What ``load_encoder_config`` returned.
        classes: The set's classes.
    """
    return {
        "config": read_config(experiment.sentiment),
        "encoder": encoder,
        "classes": classes,
        "seed": experiment.seed,
    }


def pretraining_of(experiment: Experiment, fold: str) -> str | None:
    """Return how the encoder was trained (``PRETRAINING``), where stage 2 told.

    Args:
        experiment: Trained.
        fold: Any of its folds.

    Returns:
        None, too, where stage 2 has seen another encoder since.

    Raises:
        DataError: What stage 2 wrote was changed.
    """
    path = experiment.encoder_record
    if (stamp := read_stamp(path.with_name(".encoder.json"))) is not None:
        stamp.check(path)
    if not path.is_file():
        return None
    found = read_json(path)
    config = read_config(experiment.fold_dir(fold) / "config.yaml")
    reference = config.get("encoder_reference") or {}
    same = found.get("sha256") == reference.get("sha256")
    return found.get("pretraining") if same else None


def store_inputs(experiment: Experiment) -> list[dict[str, Any]]:
    """Return what the stores that an experiment trains on were made from.

    Raises:
        DataError: One is not complete, or its index was changed.
    """
    return [open_store(experiment, root).meta for root in view_dirs(experiment)]


def trained(experiment: Experiment, fold: str) -> Stamp:
    """Return the stamp of a trained fold, all of whose files are as they were written.

    Raises:
        DataError: The fold is not trained, or a file was changed.
    """
    folder = experiment.fold_dir(fold)
    stamp = need_stamp(folder / DONE, "stage 4 (training)")
    stamp.check_all()
    return stamp


def decoded(folder: Path) -> Stamp:
    """Return the stamp of a fold's decoding, whose files are as they were written.

    Args:
        folder: Folder of the fold.

    Raises:
        DataError: The fold is not decoded, or a file was changed.
    """
    stamp = need_stamp(folder / "decode" / DONE, "stage 5 (decoding)")
    stamp.check_all()
    return stamp


def fold_folders(experiment: Experiment) -> dict[str, Path]:
    """Return the folders of the folds, all of which are decoded.

    Raises:
        DataError: A fold is not decoded, or a file was changed since.
    """
    folds = read_folds(experiment.data_dir)
    folders = {fold.name: experiment.fold_dir(fold.name) for fold in folds}
    for folder in folders.values():
        decoded(folder)
    return folders


def predictions_hash(folders: Mapping[str, Path]) -> str:
    """Hash what all folds predict."""
    return sha256_of(
        {n: hash_file(f / "decode" / PREDICTIONS) for n, f in folders.items()}
    )


def view_dirs(experiment: Experiment) -> dict[Path, dict]:
    """Return the stores that a sentiment config trains on, with their SpecAugment.

    The first is the clean one; the config's ``views`` SpecAugment views follow.
    """
    config = read_config(experiment.sentiment)
    dirs: dict[Path, dict] = {experiment.store / CLEAN: {}}
    if config.get("specaug") is not None:
        conf = config.get("specaug_conf", {})
        name = f"{config['specaug']}_{sha256_of(conf)[:8]}"
        warps = conf.get("time_warp", conf.get("policy") != "none")
        views = config.get("views", 4)
        if not isinstance(views, int) or views < 1:
            raise DataError(
                f"{experiment.sentiment}: views is {views!r}: it must be a whole "
                "number from 1; without SpecAugment, leave out specaug"
            )
        for view in range(1, views + 1):
            dirs[experiment.store / name / f"view{view}"] = {
                "view": view,
                "specaug": config["specaug"],
                "specaug_conf": conf,
                **({"warp": WARP} if warps else {}),
            }
    return dirs


def align_dir(dump, transcripts, corpus: str) -> Path:
    """Return the folder of a set's word times, by the config of the model."""
    return Path(dump) / "align" / Path(transcripts).stem / corpus
