"""Stage 0: a manifest, a table of any kind, to a Kaldi data directory and folds."""

from espnet_sentiment.bin.prepare_table import main
from espnet_sentiment.core.entry import run

if __name__ == "__main__":
    run(main)
