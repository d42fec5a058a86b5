"""The encoders as ESPnet's class choices.

What builds one does well to import ``build``, which does without ESPnet's training.
"""

from espnet2.asr.encoder.abs_encoder import AbsEncoder
from espnet2.train.class_choices import ClassChoices

from espnet_sentiment.encoder.kinds import KINDS

# ESPnet reserves "none", which is the acoustic baseline on fbank here.
encoder_choices = ClassChoices(
    "encoder",
    {name: kind.load_class() for name, kind in KINDS.items() if name != "none"},
    type_check=AbsEncoder,
    default="huggingface",
    optional=True,
)
