"""What is left in memory after a training."""

import gc
import weakref

from kseg.data.loading.reader import SampleReader
from kseg.training.folds import forget_networks


def test_a_training_keeps_no_images_and_no_graphs(train, tmp_path, monkeypatch):
    readers, most, begin, read = [], [], SampleReader.__init__, SampleReader.read

    def noting(reader, *given):
        begin(reader, *given)
        readers.append(weakref.ref(reader))

    def counting(reader, index):
        sample = read(reader, index)
        most.append(len(reader.kept))
        return sample

    # TensorFlow keeps functions of NumPy in its default graph, which lives as long as
    # any network of an earlier test. So this training gets a new one, as a fold does.
    forget_networks()
    monkeypatch.setattr(SampleReader, "__init__", noting)
    monkeypatch.setattr(SampleReader, "read", counting)
    train(tmp_path / "run")
    assert max(most) == 8  # all images of train
    kept = [reader().kept for reader in readers if reader()]
    assert not any(kept)
    forget_networks()  # as before the next fold
    gc.collect()
    assert [reader() for reader in readers] == [None, None]
