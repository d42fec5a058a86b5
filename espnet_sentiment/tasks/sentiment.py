"""ESPnet task: sentiment of an utterance from a frozen ASR encoder."""

import argparse
from collections.abc import Callable, Collection

import numpy as np
import torch
from espnet2.asr.frontend.abs_frontend import AbsFrontend
from espnet2.asr.specaug.abs_specaug import AbsSpecAug
from espnet2.cls.decoder.abs_decoder import AbsDecoder
from espnet2.layers.abs_normalize import AbsNormalize
from espnet2.tasks.abs_task import AbsTask
from espnet2.train.abs_espnet_model import AbsESPnetModel
from espnet2.train.class_choices import ClassChoices
from espnet2.train.collate_fn import CommonCollateFn
from espnet2.utils.nested_dict_action import NestedDictAction
from espnet2.utils.types import float_or_none, int_or_none, str2bool, str_or_none
from typeguard import typechecked

from espnet_sentiment.data.feature_store import register_data_type
from espnet_sentiment.data.text_tokens import TextToTokens
from espnet_sentiment.data.token_list import TOKEN_TYPES
from espnet_sentiment.data.votes import LEAVE_OUT, REFUSE, VoteShares
from espnet_sentiment.encoder.choices import encoder_choices
from espnet_sentiment.model.build import (
    build_model,
    build_text_to_tokens,
    classes_of,
    has_text_branch,
    read_lines,
)
from espnet_sentiment.model.sentiment_model import SentimentModel
from espnet_sentiment.tasks.sentiment_preprocessor import (
    LabelToIndex,
    SentimentPreprocessor,
)
from espnet_sentiment.tasks.sentiment_trainer import BUDGET, SentimentTrainer

register_data_type()

frontend_choices = ClassChoices(
    "frontend",
    classes_of("frontend"),
    type_check=AbsFrontend,
    default=None,
    optional=True,
)
specaug_choices = ClassChoices(
    "specaug",
    classes_of("specaug"),
    type_check=AbsSpecAug,
    default=None,
    optional=True,
)
normalize_choices = ClassChoices(
    "normalize",
    classes_of("normalize"),
    type_check=AbsNormalize,
    default=None,
    optional=True,
)
decoder_choices = ClassChoices(
    "decoder",
    classes_of("decoder"),
    type_check=AbsDecoder,
    default="rnn_attention",
)
text_encoder_choices = ClassChoices(
    "text_encoder",
    classes_of("text_encoder"),
    default=None,
    optional=True,
)
model_choices = ClassChoices(
    "model",
    classes_of("model"),
    type_check=AbsESPnetModel,
    default="sentiment",
)


class SentimentTask(AbsTask):
    """Trains a sentiment decoder; every part is named in the config.

    Of the defaults, the paper's (Section 3.1) are Adam with learning rate 1e-4 and
    gradients clipped at norm 4.0; batches of 32, 30 epochs, validation by UA and the
    average of the best ten epochs are ours.
    """

    num_optimizers = 1
    class_choices_list = [
        frontend_choices,
        specaug_choices,
        encoder_choices,
        normalize_choices,
        decoder_choices,
        text_encoder_choices,
        model_choices,
    ]
    trainer = SentimentTrainer

    @classmethod
    def add_task_arguments(cls, parser: argparse.ArgumentParser):
        """Add the task's options to ESPnet's."""
        group = parser.add_argument_group("Task related")
        parser.get_default("required").append("token_list")
        group.add_argument(
            "--token_list",
            type=str_or_none,
            default=None,
            help="A file with one class name a line",
        )
        group.add_argument(
            "--input_size",
            type=int_or_none,
            default=None,
            help="Channels of stored features; none builds the encoder and takes audio",
        )
        group.add_argument(
            "--views",
            type=int,
            default=4,
            help="SpecAugment views of each utterance in the feature store (stage 3)",
        )
        group.add_argument(
            "--target",
            type=str_or_none,
            choices=("label", "votes"),
            default=None,
            help="What is learned: labels (also where it is not said), or the "
            "distribution of the annotators' votes",
        )
        group.add_argument(
            "--other_votes",
            type=str,
            choices=(REFUSE, LEAVE_OUT),
            default=REFUSE,
            help="What becomes of votes for what is no class",
        )
        group.add_argument(
            "--layer",
            type=str_or_none,
            default=None,
            help="best: each fold reads the layer alone by which a logistic regression "
            "knows its training and validating speakers best (stage 4)",
        )
        group.add_argument(
            "--clean",
            type=float_or_none,
            default=None,
            help="Share of the training draws that have no SpecAugment, from 0 (the "
            "paper) and below 1; none is that of every view, 1 / (views + 1)",
        )
        for name, help in BUDGET.items():
            group.add_argument(f"--{name}", type=int_or_none, default=None, help=help)
        group.add_argument(
            "--encoder_reference",
            action=NestedDictAction,
            default={},
            help="Name, path and SHA-256 of the encoder that the features come from",
        )
        group.add_argument(
            "--use_preprocessor",
            type=str2bool,
            default=True,
            help="Turn labels and transcripts into indices",
        )
        group.add_argument(
            "--text_token_type",
            type=str,
            choices=TOKEN_TYPES,
            default="word",
            help="Units of the text branch; bpe: sentencepieces",
        )
        group.add_argument(
            "--text_nbpe",
            type=int,
            default=500,
            help="Most sentencepieces of the text branch",
        )
        group.add_argument(
            "--text_token_list",
            type=str_or_none,
            default=None,
            help="A file with one token of the text branch a line",
        )
        group.add_argument(
            "--text_bpemodel",
            type=str_or_none,
            default=None,
            help="Sentencepiece model of the text branch",
        )
        for class_choices in cls.class_choices_list:
            class_choices.add_arguments(group)
        parser.set_defaults(
            optim="adam",
            optim_conf={"lr": 1e-4},
            grad_clip=4.0,
            # Batches drawn anew every epoch: batches of like length, twice as fast,
            # gave validation speakers a UA about one point lower on EmoDB.
            batch_type="unsorted",
            batch_size=32,
            shuffle_within_batch=True,
            max_epoch=30,
            best_model_criterion=[("valid", "ua", "max")],
            # ESPnet's true would end where TensorBoard is not installed.
            use_tensorboard=False,
        )

    @classmethod
    @typechecked
    def build_collate_fn(
        cls, args: argparse.Namespace, train: bool
    ) -> Callable[
        [Collection[tuple[str, dict[str, np.ndarray]]]],
        tuple[list[str], dict[str, torch.Tensor]],
    ]:
        """Pad audio or features with zeros."""
        return CommonCollateFn(float_pad_value=0.0, int_pad_value=-1)

    @classmethod
    @typechecked
    def build_preprocess_fn(
        cls, args: argparse.Namespace, train: bool
    ) -> Callable | None:
        """Turn labels and transcripts into indices, votes into shares."""
        if not args.use_preprocessor:
            return None
        classes, shares = cls.classes(args), None
        if args.target == "votes":
            shares = VoteShares(classes, args.other_votes)
        return SentimentPreprocessor(
            LabelToIndex(classes), cls.text_to_tokens(args), shares
        )

    @classmethod
    def text_to_tokens(cls, args: argparse.Namespace) -> TextToTokens | None:
        """Build what turns transcripts into indices; None without a text branch."""
        if has_text_branch(args):
            cls.text_tokens(args)
        return build_text_to_tokens(args)

    @classmethod
    def required_data_names(
        cls, train: bool = True, inference: bool = False
    ) -> tuple[str, ...]:
        """Name the data that an utterance must have.

        One that votes train on may have no label; the model asks for one of the two.
        """
        return ("speech",) if inference or train else ("speech", "label")

    @classmethod
    def optional_data_names(
        cls, train: bool = True, inference: bool = False
    ) -> tuple[str, ...]:
        """Name the data that an utterance may have.

        A text branch needs ``text``, what learns from votes ``votes``; ``speaker`` is
        what speakers are normalised by.
        """
        if inference:
            return ("text", "speaker")
        return ("label", "text", "votes", "speaker")

    @classmethod
    def classes(cls, args: argparse.Namespace) -> list[str]:
        """Return the class names; a file's are copied into ``args``."""
        args.token_list = read_lines(args.token_list)
        return list(args.token_list)

    @classmethod
    def text_tokens(cls, args: argparse.Namespace) -> list[str]:
        """Return the text branch's tokens; a file's are copied into ``args``."""
        args.text_token_list = read_lines(args.text_token_list)
        return list(args.text_token_list)

    @classmethod
    @typechecked
    def build_model(cls, args: argparse.Namespace) -> SentimentModel:
        """Build the model that a config names; lists that are files become lists."""
        cls.classes(args)
        if has_text_branch(args):
            cls.text_tokens(args)
        choices = {c.name: c for c in cls.class_choices_list}
        return build_model(args, lambda name, value: choices[name].get_class(value))
