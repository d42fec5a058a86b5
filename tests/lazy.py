"""What takes seconds to import, ESPnet's tasks above all, imported at its first use.

A module's attributes and not names to import, since pytest looks at every name of a
test's module when it collects.
"""

import importlib

WHERE = {
    "ASRTask": "espnet2.tasks.asr",
    "ASRTransducerTask": "espnet2.tasks.asr_transducer",
    "Classifier": "espnet_sentiment.inference.classifier",
    "FoldTask": "espnet_sentiment.train.fold_task",
    "JointNetwork": "espnet2.asr_transducer.joint_network",
    "LabelToIndex": "espnet_sentiment.tasks.sentiment_preprocessor",
    "RNNTAligner": "espnet_sentiment.asr.align_rnnt",
    "RNNTRecogniser": "espnet_sentiment.asr.rnnt_recogniser",
    "RNNTTask": "espnet_sentiment.tasks.rnnt",
    "SentimentTask": "espnet_sentiment.tasks.sentiment",
    "TextToTokens": "espnet_sentiment.data.text_tokens",
    "TransducerDecoder": "espnet2.asr.decoder.transducer_decoder",
    "best_path": "espnet_sentiment.asr.align_rnnt",
    "decode_fold": "espnet_sentiment.inference.decode_fold",
    "expected_epochs": "espnet_sentiment.train.train_fold",
    "fold_trainer": "espnet_sentiment.train",
    "greedy_search": "espnet_sentiment.model.rnnt_greedy",
    "load_rnnt": "espnet_sentiment.asr.rnnt_checkpoint",
    "recalls_to_accuracy": "espnet_sentiment.tasks.sentiment_trainer",
    "train_rnnt": "espnet_sentiment.train.train_rnnt",
    "task_defaults": "espnet_sentiment.train.train_fold",
    "task_options": "espnet_sentiment.train.options",
}


def __getattr__(name: str):
    if name not in WHERE:
        raise AttributeError(name)
    return getattr(importlib.import_module(WHERE[name]), name)
