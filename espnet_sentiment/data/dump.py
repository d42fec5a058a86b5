"""Stage 1: one file or matrix an utterance, in the form that an encoder eats."""

import functools
import itertools
import multiprocessing
from collections.abc import Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

import soundfile
from tqdm import tqdm

from espnet_sentiment.data.ark import write_ark
from espnet_sentiment.data.audio import audio_info, read_audio
from espnet_sentiment.data.files import (
    DataError,
    PathLike,
    atomic_path,
    read_table,
    refuse,
    write_table,
)
from espnet_sentiment.data.kaldi_dir import KaldiDir

SAMPLE_RATE = 16000
UTTS_PER_ARK = 500


def check_audio(data: KaldiDir, channel: str | None) -> None:
    """Check the header of every recording before any long work starts.

    Raises:
        DataError: Some are unusable; the message names all of them, up to 20.
    """
    errors = []
    for path in data.wav_scp.values():
        try:
            audio_info(path, channel)
        except DataError as error:
            errors.append(str(error))
    if errors:
        count = f"{len(errors)} of {len(data.wav_scp)}"
        refuse(f"{data.path}: {count} recordings unusable", errors)


def _segment(data: KaldiDir, utt: str) -> tuple[str, float | None, float | None]:
    """Return an utterance's recording, start and end in seconds."""
    if not data.segments:
        return data.wav_scp[utt], None, None
    recording, start, end = data.segments[utt].split()
    return data.wav_scp[recording], float(start), float(end)


def dump_audio(data: KaldiDir, out: PathLike, channel: str | None = None) -> None:
    """Write ``wav.scp`` and ``utt2num_samples`` of 16 kHz mono audio.

    A recording that already is 16 kHz mono and uncut is referred to where it lies;
    others are converted to FLAC below ``out/wav``.
    """
    out = Path(out)
    wav_scp: dict[str, str] = {}
    num_samples: dict[str, str] = {}
    for utt in tqdm(data.utts, desc="audio", unit="utt"):
        source = None if data.segments else data.wav_scp[utt]
        info = source and audio_info(source, channel)
        if not info or (info.sample_rate, info.channels) != (SAMPLE_RATE, 1):
            source = out / "wav" / f"{utt}.flac"
            if not source.exists():
                wav, start, end = _segment(data, utt)
                samples = read_audio(wav, SAMPLE_RATE, channel, start, end)
                with atomic_path(source) as temporary:
                    soundfile.write(temporary, samples, SAMPLE_RATE, format="FLAC")
            info = audio_info(source)
        wav_scp[utt], num_samples[utt] = str(source), str(info.frames)
    write_table(out / "utt2num_samples", num_samples)
    write_table(out / "wav.scp", wav_scp)


def dump_fbank(
    data: KaldiDir,
    out: PathLike,
    channel: str | None = None,
    perturbed: Mapping[str, tuple[str, float]] | None = None,
    nj: int = 1,
) -> None:
    """Write 80-d fbank as ``feats.scp``, ``feats.<n>.ark`` and ``utt2num_frames``.

    Finished arks of an interrupted run are kept.

    Args:
        data: Where the recordings are.
        out: Folder to write.
        channel: Channel of recordings with several.
        perturbed: Utterance and speed factor of further keys, see data/speed.py.
        nj: Processes.
    """
    keys = {utt: (utt, 1.0) for utt in data.utts} | dict(perturbed or {})
    rows = [(key, *_segment(data, utt), factor) for key, (utt, factor) in keys.items()]
    parts = [rows[n : n + UTTS_PER_ARK] for n in range(0, len(rows), UTTS_PER_ARK)]
    dump = functools.partial(_dump_part, Path(out), channel)
    scp: dict[str, str] = {}
    num_frames: dict[str, str] = {}
    with tqdm(total=len(rows), desc="fbank", unit="utt") as bar:
        for part_scp, part_frames in _run(dump, parts, nj):
            scp.update(part_scp)
            num_frames.update(part_frames)
            bar.update(len(part_scp))
    write_table(Path(out) / "utt2num_frames", num_frames)
    write_table(Path(out) / "key2utt", {key: utt for key, (utt, _) in keys.items()})
    write_table(Path(out) / "feats.scp", scp)


def _run(dump, parts: list, nj: int) -> Iterator:
    if nj == 1 or len(parts) == 1:
        yield from itertools.starmap(dump, enumerate(parts, 1))
        return
    # Spawned: a forked child may hang in the parent's thread pools.
    with ProcessPoolExecutor(nj, multiprocessing.get_context("spawn")) as pool:
        futures = [pool.submit(dump, *item) for item in enumerate(parts, 1)]
        try:
            for future in as_completed(futures):
                yield future.result()
        finally:
            pool.shutdown(cancel_futures=True)


def _dump_part(
    out: Path, channel: str | None, number: int, part: list
) -> tuple[dict, dict]:
    """Write one ark, unless it is there; return its scp and numbers of frames."""
    import torch
    import torchaudio

    from espnet_sentiment.encoder.fbank import fbank

    scp, frames = out / f"feats.{number}.scp", out / f"utt2num_frames.{number}"
    if not scp.exists():
        torch.set_num_threads(1)
        feats = {}
        for key, wav, start, end, factor in part:
            samples = read_audio(wav, SAMPLE_RATE, channel, start, end)
            samples = torch.from_numpy(samples)
            if factor != 1:
                samples, _ = torchaudio.functional.speed(samples, SAMPLE_RATE, factor)
            feats[key] = fbank(samples, SAMPLE_RATE).numpy()
            if len(feats[key]) == 0:
                raise DataError(
                    f"utterance {key} in {wav} has {len(samples)} samples, less than "
                    "one 25 ms frame: take it out of the set"
                )
        write_table(frames, {key: str(len(m)) for key, m in feats.items()})
        write_ark(out / f"feats.{number}.ark", scp, feats)
    return read_table(scp), read_table(frames)
