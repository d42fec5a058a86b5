"""Kaldi directories, folds, audio and the feature store."""
