"""The sentiment of recordings, from Python.

In short::

    speech2sentiment = Speech2Sentiment.from_pretrained("exp/emodb_whisper_...")
    answer = speech2sentiment("a.wav")
    print(answer.label, answer.posteriors)
    for answer in speech2sentiment.predict(paths):
        ...
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from typeguard import typechecked

from espnet_sentiment.asr.recogniser import LazyRecogniser, asr_config
from espnet_sentiment.core.errors import DataError, UserError
from espnet_sentiment.core.files import PathLike
from espnet_sentiment.core.threads import alone_after_fork
from espnet_sentiment.data.channels import CHANNELS
from espnet_sentiment.data.speaker_statistics import SpeakerStatistics
from espnet_sentiment.inference.batching import seconds_for
from espnet_sentiment.inference.by_speaker import statistics_origin
from espnet_sentiment.inference.classifier import Classifier
from espnet_sentiment.inference.fork_guard import ForkGuard
from espnet_sentiment.inference.long_recordings import CUTS
from espnet_sentiment.inference.part_batches import PartBatches, Plan
from espnet_sentiment.inference.part_scorer import PartScorer
from espnet_sentiment.inference.part_words import PartWords
from espnet_sentiment.inference.parts import Part, parts_of
from espnet_sentiment.inference.result import Sentiment
from espnet_sentiment.inference.short_turns import MAX_PAUSE, MIN_SECONDS
from espnet_sentiment.inference.stream import SentimentStream
from espnet_sentiment.inference.two_passes import TwoPasses
from espnet_sentiment.inference.waveform import (
    Recording,
    Speech,
    Whole,
    check_several,
    open_recording,
)
from espnet_sentiment.model.layout import CONFIG, read_training_config

if TYPE_CHECKING:
    from espnet_sentiment.inference.call_turns import Turns
    from espnet_sentiment.inference.conversation import Conversation


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
        progress: Show a bar on standard error while a long recording is cut.

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
        progress: bool = False,
    ):
        _check_choice("cut", cut, CUTS)
        if channel is not None:
            _check_choice("channel", channel, CHANNELS)
        if not max_seconds >= 1:
            raise UserError(
                f"max_seconds is {max_seconds} (--max_seconds): give at least 1 second"
            )
        if not (batch_seconds is None or batch_seconds > 0):
            raise UserError(
                f"batch_seconds is {batch_seconds}: give more than 0, or None"
            )
        if Path(train_config).absolute() != Path(model_file).absolute().with_name(
            CONFIG
        ):
            raise DataError(
                f"{train_config} is not the config.yaml beside {model_file}: keep both "
                "in one folder"
            )
        classifier = Classifier.load(model_file, encoder_model, device, dtype)
        encoder, config = classifier.encoder, read_training_config(Path(train_config))
        self.classes: list[str] = classifier.classes
        self.sample_rate: int = encoder.sample_rate
        self.dtype: str = encoder.dtype_name
        self.max_seconds, self.cut, self.channel = max_seconds, cut, channel
        self._progress = progress
        self.batch_seconds = batch_seconds or seconds_for(classifier.device)
        self._classifier, self._guard = classifier, ForkGuard(classifier)
        self._origin = statistics_origin(config)
        asr = asr_config(
            config["encoder"],
            config["encoder_conf"] | {"model": encoder.name},
            None if asr_model is None else str(asr_model),
        )
        words = PartWords(LazyRecogniser(asr, device), encoder)
        self._scorer = PartScorer(classifier, words)

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
        self._guard.check()
        parts = self._parts(recording)
        if speaker is None or known is None:
            scored = [
                row for part in parts for row in self._scorer.score([part], transcript)
            ]
            return self._scorer.answer(parts, scored)
        return TwoPasses(self._scorer, known).answer_one(parts, speaker, transcript)

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
        check_several(inputs)
        self._guard.check()
        batches = PartBatches(
            self._scorer, self._guard, self._plan, self.batch_seconds, transcript
        )
        if speakers is None and speaker_statistics is None:
            return batches.answers(inputs, on_error)
        if speakers is None or isinstance(speakers, str):
            raise UserError(
                "speaker_statistics are by name: give speakers, a list of a name for "
                "each recording"
            )
        known = self.claimed(speaker_statistics)
        passes = TwoPasses(self._scorer, known)
        return passes.answers(batches, inputs, speakers, on_error)

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
        known.claim(self._origin)
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
            progress: Show bars on standard error: of voice activity, and of turns.

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

    @property
    def why_dtype(self) -> str:
        """Why ``dtype`` is what it is, where ``auto`` was asked for."""
        return self._classifier.encoder.why_dtype

    def _parts(self, recording: Recording) -> list[Part]:
        return parts_of(recording, self.max_seconds, self.cut, self._progress)

    def _plan(self, item: tuple[int, Speech | DataError]) -> Plan:
        number, speech = item
        if isinstance(speech, DataError):
            return speech
        name = f"input {number}"
        try:
            return self._parts(
                open_recording(speech, None, self.sample_rate, self.channel, name)
            )
        except DataError as error:
            return error


def _check_choice(option: str, value: str, choices: Sequence[str]) -> None:
    if value not in choices:
        raise UserError(f"{option} is {value!r}: choose one of {', '.join(choices)}")
