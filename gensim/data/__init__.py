"""Crops files: reading with checks, writing, splits, augmentation, sheets."""
