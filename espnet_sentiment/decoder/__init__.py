"""Sentiment decoders: one file each."""
