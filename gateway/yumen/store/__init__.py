"""Shared state behind `yumen.plugin.Store`."""
