"""Stage 1: one file or matrix an utterance, in the form that an encoder eats.

Written by ``dump_audio`` and ``dump_fbank``, read by ``DumpReader``.
"""

import functools
import itertools
import os
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from concurrent.futures import as_completed
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import soundfile
from tqdm import tqdm

from espnet_sentiment.cluster.client import run_on
from espnet_sentiment.core.ark import ScpMatrices, write_ark
from espnet_sentiment.core.errors import DataError, refuse
from espnet_sentiment.core.files import PathLike, atomic_path, read_table, write_table
from espnet_sentiment.core.names import as_file, short
from espnet_sentiment.core.seal import seal, sealed
from espnet_sentiment.core.stamp import DONE, Stamp, need_stamp
from espnet_sentiment.core.workers import WorkerPool, one_thread
from espnet_sentiment.data.audio import (
    AudioInfo,
    audio_info,
    open_audio,
    read_audio,
    span,
)
from espnet_sentiment.data.kaldi_dir import (
    SAMPLE_RATE,
    KaldiDir,
    UtteranceAudio,
    utterance_audio,
)
from espnet_sentiment.data.kaldi_table import read_kaldi_table
from espnet_sentiment.data.mono import SILENCE

if TYPE_CHECKING:
    import torch

UTTS_PER_ARK = 500  # also what a process converts at once

NOTES = "utt2note"
# Which table has the samples or frames of every utterance.
SIZES = {"audio": "utt2num_samples", "fbank": "utt2num_frames"}


def features_dir(dump: PathLike, kind: str, corpus: str) -> Path:
    """Return the folder of a set's features.

    Args:
        dump: Folder of all features.
        kind: ``audio`` or ``fbank``.
        corpus: Name of the set.
    """
    return Path(dump) / kind / corpus


def check_audio(data: KaldiDir, channel: str | None) -> None:
    """Check every recording, and what is cut out of it, before any long work starts.

    Raises:
        DataError: Some do not exist, or else are unusable, or else end before segments
            do; the message names all of them, up to 20.
    """
    places = [(utt, utterance_audio(data, utt, channel)) for utt in data.utts]
    _check_exist(data, {cut.path for _, cut in places})
    errors: dict[str, str] = {}
    past: dict[str, str] = {}
    for (path, side), cuts in _by_recording(places).items():
        try:
            # What only decoding shows is refused when all are decoded.
            info = audio_info(path, side, at_most=0)
        except DataError as error:
            errors[path] = str(error)
        else:
            if info.complete:
                past |= _past_the_end(cuts, info)
    if errors:
        count = f"{len(errors)} of {len({cut.path for _, cut in places})}"
        refuse(f"{data.path}: {count} recordings unusable", list(errors.values()))
    if past:
        table = read_kaldi_table(data.path / "segments")
        refuse(
            f"{table.path}: {len(past)} of {len(places)} segments do not lie in their "
            "recordings: fix the times (the end -1 is that of the recording)",
            table.faults(lambda utt, _: past.get(utt)),
        )


def _check_exist(data: KaldiDir, paths: AbstractSet[str]) -> None:
    """Ask for all files, which takes no time beside reading headers."""
    missing = {path for path in paths if not os.path.isfile(path)}
    if missing:
        table = read_kaldi_table(data.path / "wav.scp")
        refuse(
            f"{table.path}: {len(missing)} of {len(paths)} recordings do not exist (a "
            f"relative path starts in {Path.cwd()}): fix their paths, or run stage 0 "
            "again where that wrote them",
            table.faults(lambda _, path: short(path, 300) if path in missing else None),
        )


def _by_recording(
    places: list[tuple[str, UtteranceAudio]],
) -> dict[tuple[str, str | None], list[tuple[str, UtteranceAudio]]]:
    """Return what is cut out of every channel of every recording."""
    cuts: dict[tuple[str, str | None], list[tuple[str, UtteranceAudio]]] = {}
    for utt, cut in places:
        cuts.setdefault((cut.path, cut.channel), []).append((utt, cut))
    return cuts


def _past_the_end(
    cuts: list[tuple[str, UtteranceAudio]], info: AudioInfo
) -> dict[str, str]:
    """Say of segments that end, or begin, after their recording does."""
    past = {}
    for utt, (path, _, start, end) in cuts:
        if span(info, start, end) is None:
            until = "its end" if end is None else f"{end} s"
            past[utt] = (
                f"utterance {utt} is cut out from {start} s to {until}, but {path} "
                f"has {info.frames / info.sample_rate:.3f} s"
            )
    return past


def read_sizes(path: Path, data: KaldiDir) -> dict[str, int]:
    """Read ``utt2num_samples`` or ``utt2num_frames`` of all of a set's utterances.

    Raises:
        DataError: One is missing.
    """
    sizes = read_table(path)
    for utt in data.utts:
        if utt not in sizes:
            raise DataError(
                f"utterance {utt} is not in {path}: run stages 0 and 1 again"
            )
    return {utt: int(size) for utt, size in sizes.items()}


def dump_audio(
    data: KaldiDir,
    out: PathLike,
    channel: str | None = None,
    nj: int = 1,
    cluster: PathLike | None = None,
    of: str = "",
) -> tuple[list[Path], list[Path]]:
    """Write ``wav.scp`` and ``utt2num_samples`` of 16 kHz mono audio, and ``utt2note``.

    A recording that already is 16 kHz mono and uncut is referred to where it lies;
    others are converted to FLAC below ``out/wav``. Those of an interrupted run are
    kept.

    Args:
        data: Where the recordings are.
        out: Folder to write.
        channel: Channel of recordings with several that ``data.channels`` lacks.
        nj: Processes.
        cluster: A file of ``conf/cluster``, whose workers work instead.
        of: Hash of what all is made from; what is left of anything else is not kept.

    Returns:
        The tables, and all other files that were written.

    Raises:
        DataError: Some cannot be read; the message names all of them, up to 20.
    """
    out = Path(out)
    rows = [(utt, utterance_audio(data, utt, channel)) for utt in data.utts]
    dump = functools.partial(_dump_audio_part, out, of)
    dumped = _dump_rows(dump, rows, "audio", nj, cluster)
    write_table(out / "utt2num_samples", dumped.sizes)
    write_table(out / "wav.scp", dumped.scp)
    made = {utt: _flac(out, utt) for utt in data.utts}
    files = [path for utt, path in made.items() if dumped.scp[utt] == str(path)]
    tables = [out / "wav.scp", out / "utt2num_samples"]
    return [*tables, *_write_notes(out, dumped)], files


class Dumped(NamedTuple):
    """What was made of utterances: where it is, its size, and what is odd about it.

    ``errors`` are those of utterances that cannot be read.
    """

    scp: dict[str, str]
    sizes: dict[str, str]
    notes: dict[str, str]
    errors: dict[str, str]

    @classmethod
    def none(cls) -> "Dumped":
        """Return empty tables."""
        return cls({}, {}, {}, {})


def _write_notes(out: Path, dumped: Dumped) -> list[Path]:
    """Write what is odd about utterances, if anything is; return the table."""
    path = out / NOTES
    path.unlink(missing_ok=True)
    if not dumped.notes:
        return []
    write_table(path, dumped.notes)
    return [path]


def read_notes(folder: PathLike) -> dict[str, str]:
    """Read what stage 1 found odd about utterances, of a folder that it wrote."""
    path = Path(folder) / NOTES
    return read_table(path) if path.exists() else {}


def _dump_audio_part(out: Path, of: str, number: int, part: list) -> Dumped:
    """Convert utterances."""
    dumped = Dumped.none()
    for utt, cut in part:
        try:
            path, frames, notes = _dump_audio(_flac(out, utt), of, cut)
        except DataError as error:
            dumped.errors[utt] = str(error)
            continue
        dumped.scp[utt], dumped.sizes[utt] = str(path), str(frames)
        if notes:
            dumped.notes[utt] = "; ".join(notes)
    return dumped


def _flac(out: Path, utt: str) -> Path:
    """Return an utterance's file."""
    return out / "wav" / f"{as_file(utt)}.flac"


def _dump_audio(
    path: Path, of: str, cut: UtteranceAudio
) -> tuple[PathLike, int, Sequence[str]]:
    """Convert an utterance, unless that is done or needless; say where it is."""
    kept = sealed(path, of)
    if kept is None and cut.start is None:
        with open_audio(cut.path, cut.channel) as opened:
            info = opened.info
            if (info.sample_rate, info.channels) == (SAMPLE_RATE, 1) and opened.plain:
                notes = (SILENCE,) if opened.is_silent() else ()
                return cut.path, info.frames, notes
    if kept is None:
        heard = cut.hear()
        with atomic_path(path) as temporary:
            soundfile.write(temporary, heard.samples, SAMPLE_RATE, format="FLAC")
        kept = {"frames": len(heard.samples), "notes": heard.notes}
        seal(path, of, **kept)
    return path, kept["frames"], kept["notes"]


def dump_fbank(
    data: KaldiDir,
    out: PathLike,
    channel: str | None = None,
    perturbed: Mapping[str, tuple[str, float]] | None = None,
    nj: int = 1,
    cluster: PathLike | None = None,
    of: str = "",
) -> tuple[list[Path], list[Path]]:
    """Write 80-d fbank as ``feats.scp``, ``feats.<n>.ark`` and ``utt2num_frames``.

    Finished arks of an interrupted run are kept.

    Args:
        data: Where the recordings are.
        out: Folder to write.
        channel: Channel of recordings with several that ``data.channels`` lacks.
        perturbed: Utterance and speed factor of further keys, see data/speed.py.
        nj: Processes.
        cluster: A file of ``conf/cluster``, whose workers work instead.
        of: Hash of what all is made from; what is left of anything else is not kept.

    Returns:
        The tables, and all other files that were written.
    """
    out = Path(out)
    keys = {utt: (utt, 1.0) for utt in data.utts}
    if both := sorted(keys.keys() & (perturbed or {}).keys()):
        refuse(
            f"{data.path}: {len(both)} utterances are called as copies at other speeds "
            "will be: rename them, or do without speed_perturb_factors",
            both,
        )
    keys |= perturbed or {}
    rows = [
        (key, utterance_audio(data, utt, channel), factor)
        for key, (utt, factor) in keys.items()
    ]
    dump = functools.partial(_dump_fbank_part, out, of)
    dumped = _dump_rows(dump, rows, "fbank", nj, cluster)
    write_table(out / "utt2num_frames", dumped.sizes)
    write_table(out / "key2utt", {key: utt for key, (utt, _) in keys.items()})
    write_table(out / "feats.scp", dumped.scp)
    arks = {Path(place.rsplit(":", 1)[0]) for place in dumped.scp.values()}
    tables = [out / name for name in ("feats.scp", "utt2num_frames", "key2utt")]
    return [*tables, *_write_notes(out, dumped)], sorted(arks)


def _dump_fbank_part(out: Path, of: str, number: int, part: list) -> Dumped:
    """Write one ark, unless it is there, or an utterance cannot be read."""
    import torch
    import torchaudio

    from espnet_sentiment.data.fbank import fbank

    ark = out / f"feats.{number}.ark"
    facts = sealed(ark, of)
    if facts is None:
        torch.set_num_threads(1)
        feats, notes, errors = {}, {}, {}
        for key, cut, factor in part:
            try:
                heard = cut.hear()
            except DataError as error:
                errors[key] = str(error)
                continue
            if heard.notes:
                notes[key] = "; ".join(heard.notes)
            samples = torch.from_numpy(heard.samples)
            if factor != 1:
                samples, _ = torchaudio.functional.speed(samples, SAMPLE_RATE, factor)
            feats[key] = fbank(samples, SAMPLE_RATE).numpy()
            if len(feats[key]) == 0:
                errors[key] = (
                    f"utterance {key} in {cut.path} has {len(samples)} samples, fewer "
                    "than one 25 ms frame: take it out of the set"
                )
        if errors:
            return Dumped({}, {}, {}, errors)
        facts = {
            "scp": write_ark(ark, feats),
            "frames": {key: str(len(m)) for key, m in feats.items()},
            "notes": notes,
        }
        seal(ark, of, **facts)
    return Dumped(facts["scp"], facts["frames"], facts["notes"], {})


def _dump_rows(
    dump, rows: list, name: str, nj: int, cluster: PathLike | None
) -> Dumped:
    """Dump rows part by part; return the parts' tables, joined.

    Raises:
        DataError: Some utterances cannot be read.
    """
    parts = [rows[n : n + UTTS_PER_ARK] for n in range(0, len(rows), UTTS_PER_ARK)]
    dumped = Dumped.none()
    with tqdm(total=len(rows), desc=name, unit="utt") as bar:
        for part in _run(dump, parts, nj, cluster):
            for table, rows_of_part in zip(dumped, part, strict=True):
                table.update(rows_of_part)
            bar.update(len(part.scp))
    if dumped.errors:
        count = f"{len(dumped.errors)} of {len(rows)}"
        errors = dict(sorted(dumped.errors.items())).values()
        refuse(f"{count} utterances unusable", list(dict.fromkeys(errors)))
    return dumped


def _run(dump, parts: list, nj: int, cluster: PathLike | None) -> Iterator:
    if cluster is not None:
        named = (
            (f"stage 1, utterances {part[0][0]} to {part[-1][0]}", (number, part))
            for number, part in enumerate(parts, 1)
        )
        yield from run_on(cluster, dump, named)
        return
    if nj == 1 or len(parts) == 1:
        yield from itertools.starmap(dump, enumerate(parts, 1))
        return
    # Spawned: a forked child may hang in the parent's thread pools.
    with WorkerPool(nj, "spawn", one_thread) as pool:
        # In no list, which would keep what has been taken.
        for future in as_completed(
            [pool.submit(dump, *item) for item in enumerate(parts, 1)]
        ):
            yield future.result()


class DumpReader:
    """Read stage 1's audio (N,) or fbank (T, F) by utterance id, as tensors.

    Args:
        dump: Folder that stage 1 wrote.
        kind: ``audio`` or ``fbank``.
        sample_rate: Rate that the audio is wanted at, in Hz.

    Attributes:
        where: The file of every utterance, for messages.
    """

    def __init__(self, dump: PathLike, kind: str, sample_rate: int):
        self.kind, self.sample_rate = kind, sample_rate
        table = Path(dump) / ("wav.scp" if kind == "audio" else "feats.scp")
        self.stamp: Stamp = need_stamp(Path(dump) / DONE, "stage 1 (features)")
        self.stamp.check(table)
        if kind == "audio":
            self.where: dict[str, str] = read_table(table)
        else:
            self._matrices = ScpMatrices(table)
            self.where = {u: str(place) for u, place in self._matrices.places.items()}

    def __call__(self, utt: str) -> "torch.Tensor":
        """Read one utterance.

        Raises:
            DataError: Its file is not as stage 1 wrote it.
        """
        import torch

        self.stamp.check(self.where[utt].rsplit(":", 1)[0])
        if self.kind == "audio":
            return torch.from_numpy(read_audio(self.where[utt], self.sample_rate))
        return torch.from_numpy(self._matrices[utt])
