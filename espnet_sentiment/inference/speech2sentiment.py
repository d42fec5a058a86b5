"""The sentiment of recordings, from Python.

In short::

    speech2sentiment = Speech2Sentiment.from_pretrained("exp/emodb_whisper_...")
    answer = speech2sentiment("a.wav")
    print(answer.label, answer.posteriors)
    for answer in speech2sentiment.predict(paths):
        ...
"""

import dataclasses
import io
import math
import numbers
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch
from espnet2.legacy.nets.pytorch_backend.transformer.subsampling import (
    TooShortUttError,
)
from typeguard import typechecked

from espnet_sentiment.asr.recogniser import SAMPLE_RATE, LazyRecogniser, asr_config
from espnet_sentiment.asr.word_attention import WordWeight, word_attention
from espnet_sentiment.asr.words import AlignedWord
from espnet_sentiment.core.errors import DataError, UserError
from espnet_sentiment.core.files import PathLike, sha256_of
from espnet_sentiment.core.threads import alone_after_fork, ordered, worker_pool
from espnet_sentiment.data.audio import resample
from espnet_sentiment.data.channels import CHANNELS
from espnet_sentiment.data.mono import Heard
from espnet_sentiment.data.source import Source
from espnet_sentiment.data.speaker_statistics import BY_ALL, SpeakerStatistics
from espnet_sentiment.encoder.reference import PLACES
from espnet_sentiment.inference.batching import score_in_batches
from espnet_sentiment.inference.by_speaker import (
    Affines,
    Encoded,
    HeardAll,
    Waiting,
    told,
    with_names,
)
from espnet_sentiment.inference.classifier import (
    BATCH_VALUES,
    Classifier,
    Scores,
)
from espnet_sentiment.inference.long_recordings import CUTS, NothingToAnswerError
from espnet_sentiment.inference.parts import Part, ScoredPart, parts_of, put_together
from espnet_sentiment.inference.result import Sentiment
from espnet_sentiment.inference.short_turns import MAX_PAUSE, MIN_SECONDS
from espnet_sentiment.inference.stream import SentimentStream
from espnet_sentiment.inference.waveform import (
    Recording,
    Speech,
    Whole,
    open_recording,
)
from espnet_sentiment.model.layout import CONFIG, read_training_config

if TYPE_CHECKING:
    from espnet_sentiment.inference.call_turns import Turns
    from espnet_sentiment.inference.conversation import Conversation

# Seconds of audio encoded together. A CPU's caches hold the activations of so much.
CPU_BATCH, GPU_BATCH = 12.0, 240.0


class Speech2Sentiment:
    """Classifies recordings by a trained sentiment model.

    Several threads may call one object at the same time, and, on the CPU, processes
    that were forked after it was loaded.

    Args:
        train_config: The model's ``config.yaml``.
        model_file: Its checkpoint, in the same folder.
        encoder_model: Where the encoder is now, if not where it was in training.
        device: ``cpu``, ``cuda``, ``cuda:1`` ...
        dtype: What the encoder computes in: ``float32``, ``float16``, ``bfloat16``, or
            ``auto``: bfloat16 where a product of the encoder's is seen to be faster in
            it, else float32; the attribute ``dtype`` says which, and so do answers.
            The decoder always computes in float32.
        max_seconds: Longer recordings are cut, and answered by segment and in all.
        cut: How: by voice activity (``vad``), or into equal ``windows``.
        batch_seconds: Most seconds of audio that ``predict`` encodes together, padding
            included; None is what suits the device.
        channel: Which channel of recordings with several: ``0``, ``1`` or ``mix``,
            their mean; None refuses them.
        asr_model: What writes transcripts, where the encoder does not belong to an ASR
            model that can: Whisper's folder or name, or an RNN-T's experiment.

    Raises:
        DataError: A file is missing or does not fit the others.
        UserError: An option is wrong, or the device is not there.
        EncoderMismatchError: The encoder is not the one that the decoder learned on.
    """

    @alone_after_fork()
    @typechecked
    def __init__(
        self,
        train_config: PathLike,
        model_file: PathLike,
        encoder_model: PathLike | None = None,
        device: str = "cpu",
        dtype: str = "float32",
        max_seconds: float = 30.0,
        cut: str = "vad",
        batch_seconds: float | None = None,
        channel: str | None = None,
        asr_model: PathLike | None = None,
    ):
        _check_choice("cut", cut, CUTS)
        if channel is not None:
            _check_choice("channel", channel, CHANNELS)
        if not max_seconds >= 1 or not (batch_seconds is None or batch_seconds > 0):
            raise UserError(
                f"max_seconds is {max_seconds} and batch_seconds {batch_seconds}: give "
                "at least 1 second, and more than 0"
            )
        if Path(train_config).absolute() != Path(model_file).absolute().with_name(
            CONFIG
        ):
            raise DataError(
                f"{train_config} is not the config.yaml beside {model_file}: keep both "
                "in one folder"
            )
        self._home = os.getpid()
        self._classifier = Classifier.load(model_file, encoder_model, device, dtype)
        self._encoder = self._classifier.encoder
        self.classes: list[str] = self._classifier.classes
        self.sample_rate: int = self._encoder.sample_rate
        self.dtype: str = self._encoder.dtype_name
        self.max_seconds, self.cut, self.channel = max_seconds, cut, channel
        on_cpu = self._classifier.device.type == "cpu"
        self.batch_seconds = batch_seconds or (CPU_BATCH if on_cpu else GPU_BATCH)
        config = read_training_config(Path(train_config))
        # What statistics of speakers are of.
        given = config["encoder_conf"]
        conf = {key: given.get(key) for key in ("layer", "subsample")}
        conf |= {key: given[key] for key in given if key not in PLACES}
        self._features = sha256_of([config["encoder_reference"].get("sha256"), conf])
        self._recogniser = LazyRecogniser(
            asr_config(
                config["encoder"],
                config["encoder_conf"] | {"model": self._encoder.name},
                None if asr_model is None else str(asr_model),
            ),
            device,
        )

    @classmethod
    def from_pretrained(
        cls, model: PathLike, fold: str | None = None, **kwargs
    ) -> "Speech2Sentiment":
        """Find a model, download or unpack it where need be, and load it.

        Args:
            model: A fold's folder or an experiment's, a pack, a URL of one, a tag of
                ESPnet's model zoo, or ``owner/name`` on the Hugging Face Hub.
            fold: Which fold of an experiment; None is the model to deploy (``final``),
                where there is one, else the fold with the best validation UA.
            kwargs: Options of the class.

        Raises:
            DataError: There is no such model, or as of the class.
        """
        from espnet_sentiment.pack.find import find_model

        files = find_model(model, fold)
        if kwargs.get("encoder_model") is None:
            kwargs["encoder_model"] = files.encoder_model
        return cls(files.config_file, files.model_file, **kwargs)

    @alone_after_fork()
    def __call__(
        self,
        speech: Speech,
        rate: int | None = None,
        transcript: bool = False,
        speaker: str | None = None,
        speaker_statistics: SpeakerStatistics | None = None,
    ) -> Sentiment:
        """Classify a recording.

        Args:
            speech: A file, its bytes, or a file object that is open for reading them,
                sound or video; or samples (N,), or (N, channels), floating point in
                [-1, 1] or integers of a PCM format; or a pair of samples and their
                rate.
            rate: Samples a second of an array; None is ``sample_rate``.
            transcript: Also recognise the words, and weigh them by attention.
            speaker: See ``predict``.
            speaker_statistics: See ``predict``.

        Raises:
            DataError: It cannot be classified; the message says why.
        """
        if speaker is not None or speaker_statistics is not None:
            one = cast(Speech, speech if rate is None else (speech, rate))
            answers = self.predict(
                [one],
                transcript,
                speakers=None if speaker is None else [speaker],
                speaker_statistics=speaker_statistics,
            )
            return cast(Sentiment, next(answers))
        whole = open_recording(speech, rate, self.sample_rate, self.channel)
        return self.answer_turn(whole, transcript)

    @alone_after_fork()
    def answer_turn(
        self,
        recording: Recording,
        transcript: bool = False,
        speaker: str | None = None,
        known: SpeakerStatistics | None = None,
    ) -> Sentiment:
        """Classify a recording that is open, such as a turn of a stream.

        Args:
            recording: Whose samples are read now.
            transcript: As of a call.
            speaker: Who speaks, where ``known`` is given.
            known: What is known of speakers; what is heard is added to it, and he is
                normalised by the sum. None normalises as the model does.

        Raises:
            DataError: As of a call.
        """
        self._check_process()
        parts = self._plan(recording)
        if speaker is None or known is None:
            scored = [row for part in parts for row in self._score([part], transcript)]
            return self._answer(parts, scored)
        heard: HeardAll[Part] = HeardAll(known)
        encoded = [row for part in parts for row in self._encode([part], transcript)]
        heard.add(parts, encoded, speaker)
        waiting = next(iter(heard))
        if isinstance(waiting, DataError):
            raise waiting
        affine = Affines(known, self._classifier.of_speaker)[speaker]
        scores = [
            self._classifier.from_store(
                [heard.features(one)], [one.encoded.text], [affine]
            )[0]
            for one in waiting
        ]
        return self._answer_by_speaker(waiting, scores, known)

    def stream(self, **options: Any) -> SentimentStream:
        """Begin a stream, whose turns are answered as they end.

        Args:
            options: See ``SentimentStream``: rate, channel, speaker, partial, ...

        Raises:
            DataError: The rate is none of speech.
            UserError: Another option is wrong.
        """
        return SentimentStream(self, **options)

    def predict(
        self,
        inputs: Iterable[Speech | DataError],
        transcript: bool = False,
        on_error: str = "raise",
        speakers: Iterable[str | None] | None = None,
        speaker_statistics: SpeakerStatistics | None = None,
    ) -> Iterator[Sentiment | DataError]:
        """Classify recordings, in batches of like length, in the order given.

        The iterable may be endless: a few hundred inputs are read ahead, in the
        caller's thread, and no more is kept. Posteriors are those of a call for each
        to rounding.

        Where speakers are named, for a model that is normalised by speaker (its config
        says ``normalize: speaker_mvn``), all recordings are heard before the first
        answer: a speaker's statistics are of all that is heard of him. Features wait
        in a temporary file meanwhile, about 0.1 MB a second of Whisper base.

        Args:
            inputs: Paths, files' bytes or file objects, arrays at ``sample_rate``, or
                pairs of an array and its rate; or what an input failed by before, its
                answer then.
            transcript: As of a call.
            on_error: ``return`` gives the error of what cannot be classified in its
                place; ``raise`` ends there.
            speakers: Who speaks, a name an input; None is nobody who is known, and is
                normalised by the training speakers' statistics. The answer's
                ``normalisation`` says which were used.
            speaker_statistics: What is known of speakers from before; what is heard
                is added to it, so hear a recording once. Keep it by its ``save``.

        Raises:
            DataError: As of a call; the message names the file, or the input by its
                number from 0.
            UserError: At once, if ``inputs`` is one recording, or speakers are named
                to a model that does not go by them; in time, if there are more inputs
                or fewer than speakers.
        """
        _check_choice("on_error", on_error, ("raise", "return"))
        _check_inputs(inputs)
        self._check_process()
        if speakers is None and speaker_statistics is None:
            return self._predict(inputs, transcript, on_error)
        if speakers is None or isinstance(speakers, str):
            raise UserError(
                "speaker_statistics are by name: give speakers, a list of a name for "
                "each recording"
            )
        known = self.claimed(speaker_statistics)
        return self._predict_by_speaker(inputs, speakers, known, transcript, on_error)

    def claimed(self, known: SpeakerStatistics | None) -> SpeakerStatistics:
        """Return statistics of speakers for this model, new ones where there are none.

        Raises:
            UserError: They are of another encoder, or the model needs none.
        """
        if self._classifier.of_speaker is None:
            raise UserError(
                "the model is not normalised by speaker: leave speakers and their "
                "statistics out, or train one with normalize: speaker_mvn "
                "(conf/sentiment/*_speaker.yaml)"
            )
        known = SpeakerStatistics() if known is None else known
        known.claim(self._features)
        return known

    def conversation(
        self,
        speech: Whole,
        turns: "Turns | None" = None,
        channel: str | None = None,
        transcript: bool = False,
        min_seconds: float = MIN_SECONDS,
        max_pause: float = MAX_PAUSE,
        speaker_statistics: SpeakerStatistics | None = None,
        columns: Mapping[str, str] | None = None,
        sheet: str | None = None,
        progress: bool = False,
    ) -> "Conversation":
        """Answer the turns of a conversation, each as ``predict`` answers an excerpt.

        Memory is that of some turns, whatever the recording's length. A turn that is
        longer than ``max_seconds`` is cut as a recording is, and noted. A model that is
        normalised by speaker hears all turns of a speaker before the first answer.

        Args:
            speech: The recording, as of a call of the object.
            turns: A file, a list of ``Turn``, or a ``pyannote.core.Annotation``; None
                lets voice activity find them, without speakers.
            channel: ``0``, ``1``, ``mix``, or ``each``, whose turns without a speaker
                are ``channel 0``'s, ``channel 1``'s ...; a turn's own channel goes
                before; None is that of the object.
            transcript: Also recognise the words, and weigh them by attention, in three
                levels of the conversation's words. A text of the turns stays.
            min_seconds: A shorter turn is joined with the same speaker's nearer one, or
                noted as short.
            max_pause: Most seconds between those two, in which nobody else speaks on
                the channel.
            speaker_statistics: See ``predict``; who is named by a channel alone is
                kept as ``RECORDING (channel 0)``.
            columns: Columns of a table by our names, where they are others.
            sheet: Of a spreadsheet that has several.
            progress: Show a bar.

        Returns:
            The turns that have an answer; ``notes`` name the others, and say why.

        Raises:
            DataError: The recording or the turns cannot be used, or no turn has an
                answer.
            UserError: An option is wrong.
        """
        from espnet_sentiment.inference.converse import converse

        return converse(
            self,
            speech,
            turns,
            channel,
            transcript,
            min_seconds,
            max_pause,
            speaker_statistics,
            columns,
            sheet,
            progress,
        )

    @property
    def by_speaker(self) -> bool:
        """Whether the model is normalised by speaker, and so takes ``speakers``."""
        return self._classifier.of_speaker is not None

    def _predict(
        self, inputs: Iterable, transcript: bool, on_error: str
    ) -> Iterator[Sentiment | DataError]:
        def score(parts: Sequence[Part]) -> list:
            return self._score(parts, transcript)

        for plan, scored in self._in_batches(inputs, score, transcript):
            answer = (
                plan if isinstance(plan, DataError) else self._try_answer(plan, scored)
            )
            if on_error == "raise" and isinstance(answer, DataError):
                raise answer
            yield answer

    def _in_batches[Row](
        self,
        inputs: Iterable,
        work: Callable[[Sequence[Part]], Sequence[Row]],
        transcript: bool,
    ) -> Iterator[tuple[list[Part] | DataError, list[Row]]]:
        """Read recordings, and work on their parts in batches, beside each other.

        Args:
            inputs: Recordings.
            work: Gives something for every part of a batch.
            transcript: Whether what is said is asked for.

        Yields:
            The parts of a recording, or why it has none, and what ``work`` gave.
        """
        # Recognition takes most of the time, and one model at a time.
        reads_text = transcript or self._classifier.reads_text
        device = self._classifier.device.type
        with (
            worker_pool(device, alone=reads_text) as pool,
            # Apart, not to wait for the batches before.
            worker_pool(device) as readers,
            alone_after_fork(),
        ):
            process = os.getpid()
            plans = ordered(readers, self._try_plan, enumerate(inputs))
            kept: deque[list[Part] | DataError] = deque()

            def groups() -> Iterator[Sequence[Part]]:
                for plan in plans:
                    kept.append(plan)
                    yield () if isinstance(plan, DataError) else plan

            rows = score_in_batches(
                pool,
                work,
                groups(),
                lambda part: math.ceil(100 * part.seconds),
                math.ceil(100 * self.batch_seconds),
            )
            for found in rows:
                yield kept.popleft(), found
                self._check_process(process)

    def _predict_by_speaker(
        self,
        inputs: Iterable,
        speakers: Iterable[str | None],
        known: SpeakerStatistics,
        transcript: bool,
        on_error: str,
    ) -> Iterator[Sentiment | DataError]:
        heard = self._hear_all(inputs, speakers, known, transcript, on_error)
        affines = Affines(known, self._classifier.of_speaker)

        def score(batch: Sequence[Waiting[Part]]) -> list[Scores]:
            return self._classifier.from_store(
                [heard.features(one) for one in batch],
                [one.encoded.text for one in batch],
                [affines[one.speaker] for one in batch],
            )

        with (
            worker_pool(self._classifier.device.type) as pool,
            alone_after_fork(),
        ):
            process = os.getpid()
            rows = score_in_batches(
                pool,
                score,
                (() if isinstance(one, DataError) else one for one in heard),
                lambda part: part.frames,
                max(1, BATCH_VALUES // self._classifier.channels),
            )
            for waiting, scores in zip(heard, rows, strict=True):
                if isinstance(waiting, DataError):
                    yield waiting
                else:
                    yield self._answer_by_speaker(waiting, scores, known)
                self._check_process(process)

    def _hear_all(
        self,
        inputs: Iterable,
        speakers: Iterable[str | None],
        known: SpeakerStatistics,
        transcript: bool,
        on_error: str,
    ) -> HeardAll[Part]:
        """Encode all recordings, and add what is heard to ``known``."""

        def encode(parts: Sequence[Part]) -> list[Encoded | DataError]:
            return self._encode(parts, transcript)

        heard: HeardAll[Part] = HeardAll(known)
        names: deque[str | None] = deque()
        named = with_names(inputs, speakers, names)
        for plan, encoded in self._in_batches(named, encode, transcript):
            speaker = names.popleft()
            failed = [plan] if isinstance(plan, DataError) else encoded
            error = next((e for e in failed if isinstance(e, DataError)), None)
            if error is not None and on_error == "raise":
                raise error
            if isinstance(plan, DataError):
                heard.fail(plan)
            else:
                heard.add([part.unread() for part in plan], encoded, speaker)
        return heard

    def _answer_by_speaker(
        self,
        waiting: Sequence[Waiting[Part]],
        scores: Sequence[Scores],
        known: SpeakerStatistics,
    ) -> Sentiment:
        parts = [one.part for one in waiting]
        rows = []
        for one, row in zip(waiting, scores, strict=True):
            _, text, words, notes = one.encoded
            weights = None
            if words is not None and row.attention is not None:
                weights = self._weigh(one.part, row.attention, words)
            rows.append(ScoredPart(row, text, weights, notes))
        speaker = waiting[0].speaker
        return self._answer(
            parts, rows, told(speaker, known, self._encoder.frame_shift)
        )

    @property
    def why_dtype(self) -> str:
        """Why ``dtype`` is what it is, where ``auto`` was asked for."""
        return self._encoder.why_dtype

    def _check_process(self, begun: int | None = None) -> None:
        """Refuse what does not survive a fork.

        Args:
            begun: The process that these answers were begun in.

        Raises:
            UserError: The model is on a GPU, or the threads have stayed behind.
        """
        here, device = os.getpid(), self._classifier.device
        if here != self._home and device.type != "cpu":
            raise UserError(
                f"the model is on {device}, which a forked process cannot use: start "
                "processes by multiprocessing.get_context('spawn')"
            )
        if begun not in (None, here):
            raise UserError(
                "these answers were begun before this process was forked: call predict "
                "again in it, for what is left"
            )

    def _plan(self, recording: Recording) -> list[Part]:
        return parts_of(recording, self.max_seconds, self.cut)

    def _try_plan(self, item: tuple[int, Speech | DataError]) -> list[Part] | DataError:
        number, speech = item
        if isinstance(speech, DataError):
            return speech
        try:
            return self._plan(
                open_recording(
                    speech, None, self.sample_rate, self.channel, f"input {number}"
                )
            )
        except DataError as error:
            return error

    def _score(
        self, parts: Sequence[Part], transcript: bool
    ) -> list[ScoredPart | DataError]:
        """Classify a batch; what cannot be read does not harm the others."""
        found: dict[int, ScoredPart | DataError] = {}
        heard, texts = self._hear(parts, transcript, found)
        scores = self._classify([one.samples for one in heard.values()], texts)
        for (index, one), row, text in zip(heard.items(), scores, texts, strict=True):
            if row is None or not np.isfinite(row.posteriors).all():
                found[index] = self._fault(parts[index], row is None)
            else:
                words = self._words(parts[index], one.samples, row, text, transcript)
                found[index] = ScoredPart(row, text, words, one.notes)
        return [found[index] for index in range(len(parts))]

    def _encode(
        self, parts: Sequence[Part], transcript: bool
    ) -> list[Encoded | DataError]:
        """Encode a batch, to be classified later; as ``_score``."""
        found: dict[int, Encoded | DataError] = {}
        heard, texts = self._hear(parts, transcript, found)
        features = self._features_of([one.samples for one in heard.values()])
        for (index, one), array, text in zip(
            heard.items(), features, texts, strict=True
        ):
            if array is None or not np.isfinite(array).all():
                found[index] = self._fault(parts[index], array is None)
                continue
            words = None
            if transcript and self._classifier.has_attention:
                wave = self._for_asr(one.samples)
                words = self._recogniser.words(wave, text) if text else []
            found[index] = Encoded(array, text, words, one.notes)
        return [found[index] for index in range(len(parts))]

    def _hear(
        self, parts: Sequence[Part], transcript: bool, found: dict[int, Any]
    ) -> tuple[dict[int, Heard], Sequence[str | None]]:
        """Read a batch; of what cannot be read, the reason goes into ``found``.

        Returns:
            Samples by their place in the batch, and, if need be, what is said in each.
        """
        heard: dict[int, Heard] = {}
        for index, part in enumerate(parts):
            try:
                heard[index] = part.hear(self.sample_rate)
            except DataError as error:
                found[index] = error
        waves = [one.samples for one in heard.values()]
        return heard, self._texts(waves, transcript)

    def _fault(self, part: Part, is_short: bool) -> DataError:
        name = part.recording.name
        if is_short:
            return NothingToAnswerError(
                f"{name} is too short for the encoder: {part.seconds:.3f} s"
            )
        self._encoder.check_weights()
        return DataError(
            f"{name}: the encoder's output is not finite; {self._remedy_of_infinity()}"
        )

    def _features_of(self, waves: Sequence[np.ndarray]) -> list[np.ndarray | None]:
        """Encode a batch, (T, L * D) in float16 each; None is too short."""
        if not waves:
            return []
        try:
            feats, lengths = self._encoder(waves)
        except TooShortUttError:
            if len(waves) == 1:
                return [None]
            return [row for wave in waves for row in self._features_of([wave])]
        rows = feats.half().cpu().numpy()
        pairs = zip(rows, lengths.tolist(), strict=True)
        return [row[:length].copy() for row, length in pairs]

    def _remedy_of_infinity(self) -> str:
        if self._encoder.dtype == torch.float32:
            return "look at the samples, or leave it out"
        return "look at the samples, or compute in float32 (--dtype float32)"

    def _texts(
        self, waves: Sequence[np.ndarray], transcript: bool
    ) -> Sequence[str | None]:
        if not waves or not (transcript or self._classifier.reads_text):
            return [None] * len(waves)
        return self._recogniser.texts([self._for_asr(wave) for wave in waves])

    def _for_asr(self, wave: np.ndarray) -> np.ndarray:
        return resample(wave, self.sample_rate, SAMPLE_RATE)

    def _classify(
        self, waves: Sequence[np.ndarray], texts: Sequence[str | None]
    ) -> Sequence[Scores | None]:
        """Classify a batch; None is too short."""
        if not waves:
            return []
        try:
            return self._classifier(waves, texts)
        except TooShortUttError:
            if len(waves) == 1:
                return [None]
        pairs = zip(waves, texts, strict=True)
        return [row for wave, text in pairs for row in self._classify([wave], [text])]

    def _words(
        self,
        part: Part,
        wave: np.ndarray,
        scores: Scores,
        text: str | None,
        transcript: bool,
    ) -> list[WordWeight] | None:
        """Weigh a part's words by attention; times are those of the recording."""
        if not transcript or scores.attention is None:
            return None
        words = self._recogniser.words(self._for_asr(wave), text) if text else []
        return self._weigh(part, scores.attention, words)

    def _weigh(
        self, part: Part, attention: np.ndarray, words: Sequence[AlignedWord]
    ) -> list[WordWeight]:
        weights = word_attention(attention, self._encoder.frame_shift, words)
        start, end = part.span
        # The last frame may be longer than what is left.
        return [
            dataclasses.replace(
                word, start=start + word.start, end=min(start + word.end, end)
            )
            for word in weights
            if word.word is not None
        ]

    def _try_answer(
        self, parts: Sequence[Part], scored: Sequence[ScoredPart | DataError]
    ) -> Sentiment | DataError:
        try:
            return self._answer(parts, scored)
        except DataError as error:
            return error

    def _answer(
        self,
        parts: Sequence[Part],
        scored: Sequence[ScoredPart | DataError],
        normalisation: str | None = None,
    ) -> Sentiment:
        if self.by_speaker:
            normalisation = normalisation or BY_ALL
        return put_together(
            parts,
            scored,
            self.classes,
            self._encoder.frame_shift,
            self.dtype,
            normalisation,
        )


def _check_inputs(inputs: object) -> None:
    """Refuse one recording where several are asked for, letters and samples of it."""
    one = (
        isinstance(inputs, (str, bytes, bytearray, os.PathLike, io.IOBase, Source))
        or (isinstance(inputs, (np.ndarray, torch.Tensor)) and inputs.ndim < 2)
        or (
            isinstance(inputs, tuple)
            and any(isinstance(x, numbers.Number) for x in inputs)
        )
    )
    if one or not isinstance(inputs, Iterable):
        raise UserError(
            f"predict takes a list of recordings, but was given a single "
            f"{type(inputs).__name__}: write predict([...]), or call the model itself"
        )


def _check_choice(option: str, value: str, choices: Sequence[str]) -> None:
    if value not in choices:
        raise UserError(f"{option} is {value!r}: choose one of {', '.join(choices)}")
