"""Callbacks get the logs of the step before."""

import keras
import numpy as np

from kseg.training.late_logs import LateLogs


class Recorder(keras.callbacks.Callback):
    def __init__(self):
        super().__init__()
        self.seen = []

    def on_train_batch_end(self, batch, logs=None):
        self.seen.append(logs.get("loss"))


def losses(late: bool) -> list:
    """The losses that a callback sees in two epochs of three steps."""
    model = keras.Sequential(
        [keras.layers.Dense(1, kernel_initializer="ones", use_bias=False)]
    )
    model.compile("sgd", "mse")
    recorder = Recorder()
    callbacks = [recorder]
    if late:
        callbacks = LateLogs(callbacks, add_history=True, model=model)
    x = np.arange(3, dtype="float32")[:, None]
    model.fit(
        x, 0 * x, batch_size=1, epochs=2, shuffle=False, verbose=0, callbacks=callbacks
    )
    return recorder.seen


def test_logs_are_those_of_the_step_before():
    # Inputs 0, 1, 2 with the weight 1, target 0, rate 0.01: the squares 0, 1 and
    # (2 * 0.98)^2, of which logs have the mean so far.
    now, late = losses(late=False), losses(late=True)
    np.testing.assert_allclose(now[:3], [0, 0.5, (1 + 1.96**2) / 3], rtol=1e-6)
    assert late == [None, *now[:2], None, *now[3:5]]
