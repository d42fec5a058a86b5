"""Frozen speech encoders and their front ends."""
