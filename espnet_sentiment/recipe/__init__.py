"""Paths, experiments and the stages' stamps."""
