"""SentimentTask as the recipe trains folds: on stored features, with few files."""

from espnet_sentiment.model.layout import chosen_layer
from espnet_sentiment.tasks.sentiment import SentimentTask
from espnet_sentiment.train.fold_data import FoldDataset, collate_fold
from espnet_sentiment.train.fold_trainer import FoldTrainer


class FoldTask(SentimentTask):
    """The same options, model and batches; other loading, and other checkpoints."""

    trainer = FoldTrainer

    @classmethod
    def build_dataset(cls, args, iter_options, keys_to_load=None) -> FoldDataset:
        """Read stored features as they lie there."""
        return FoldDataset(
            iter_options.data_path_and_name_and_type,
            keys_to_load,
            iter_options.preprocess_fn,
            chosen_layer(vars(args)),
        )

    @classmethod
    def build_collate_fn(cls, args, train: bool):
        """Leave features as they are: the model pads what it makes of them."""
        return collate_fold
