"""A trained model as a torch module, from wherever it is."""

from espnet_sentiment.core.files import PathLike
from espnet_sentiment.model.checkpoint import load_sentiment_model
from espnet_sentiment.model.ensemble import Ensemble
from espnet_sentiment.model.sentiment_model import SentimentModel
from espnet_sentiment.pack.find import find_model


def load_model(
    model: PathLike,
    fold: str | None = None,
    encoder_model: PathLike | None = None,
    device: str = "cpu",
) -> SentimentModel | Ensemble:
    """Load a trained model, its frozen encoder included, in evaluation mode.

    For those who want the ``torch.nn.Module``; ``Speech2Sentiment`` answers for files.
    Audio (B, N) at ``model.encoder.encoder.sample_rate``, floating point in [-1, 1],
    of lengths (B,) becomes logits (B, n_classes), attention (B, n_heads, T) or frames::

        logits, attention = model.classify(speech, lengths, with_attention=True)
        feats, feat_lengths = model.encode(speech, lengths)  # (B, T, D), (B,)

    An ensemble of folds has no ``encode``, but ``members`` that have.
    The classes are ``model.token_list``. ``model.parameters()`` are the decoder's: the
    encoder stays frozen, also after ``model.train()``.

    Args:
        model: A fold's folder or an experiment's, a pack, a URL of one, a tag of
            ESPnet's model zoo, or ``owner/name`` on the Hugging Face Hub.
        fold: Which fold of an experiment; None is the model to deploy (``final``),
            where there is one, else the fold with the best validation UA.
        encoder_model: Where the encoder is now, if not where it was in training.
        device: ``cpu``, ``cuda``, ``cuda:1`` ...

    Raises:
        DataError: There is no such model, or a file of it or of its encoder is missing,
            unreadable, or does not fit the others.
        EncoderMismatchError: The encoder is not the one that the decoder learned on.
    """
    files = find_model(model, fold)
    where = files.encoder_model if encoder_model is None else encoder_model
    return load_sentiment_model(files.model_file, where, device)
