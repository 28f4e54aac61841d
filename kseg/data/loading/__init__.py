"""Reading, caching and batching of samples."""

from kseg.data.loading.tasks import BATCHES

__all__ = ["BATCHES"]
