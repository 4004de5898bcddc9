"""Computed melt pools beside measured ones."""
