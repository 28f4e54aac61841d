"""From files to batches."""

from kseg.data.loading.tasks import BATCHES

__all__ = ["BATCHES"]
