import numpy as np

from benchmarks.convolutions import convolutions
from kseg.core import backend
from kseg.models import build_model
from kseg.models.analysis.graph import trace


def test_every_convolution_runs_forward_and_backward():
    """The graph optimizer removes none, because each has a returned result."""
    model = build_model("unet", 3, width=4, upsampling="transposed")
    run = convolutions(trace(model, (32, 32)), batch_size=2)
    # 18 3x3 and 4 transposed convolutions and the score's, with its bias: 23 outputs,
    # and the gradients of 23 kernels, 1 bias and 22 inputs.
    found = np.asarray(run())
    assert found.shape == (69,) and np.all(found != 0)
    kinds = [op.type for op in run.get_concrete_function().graph.get_operations()]
    assert kinds.count("Conv2DBackpropFilter") == 23


def test_the_convolutions_run_in_half_precision():
    with backend.precision("bfloat16"):
        model = build_model("unet", 3, width=4, upsampling="transposed")
    assert np.isfinite(convolutions(trace(model, (32, 32)), batch_size=2)()).all()
