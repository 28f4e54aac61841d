"""Networks whose loss takes all of their outputs together."""

from __future__ import annotations

from typing import Any, Optional

from kseg.training.losses.joint import JointLoss


def for_loss(model: Any, loss: Any) -> Any:
    """The network as `loss` needs it: with a JointLoss, a model of the same layers.

    `compile` of Keras takes one loss for each output; the loss of objects needs scores
    and boxes at the same time. In training the model returns what the loss asks for
    with `training_outputs`, else the outputs of the network. It has the variables of
    the whole network, each once, also those that only the loss uses.
    """
    if not isinstance(loss, JointLoss):
        return model
    import keras

    trained = keras.Model(model.input, loss.training_outputs(model))

    class JointLossModel(keras.Model):
        """A functional network that is trained by `joint_loss`."""

        joint_loss = staticmethod(loss)

        def call(self, inputs: Any, training: Any = None, mask: Any = None) -> Any:
            """Returns the outputs of the network; in training those of the loss."""
            if training:
                return trained(inputs, training=True)
            return super().call(inputs, training=training, mask=mask)

        def compute_loss(
            self,
            x: Any = None,
            y: Any = None,
            y_pred: Any = None,
            sample_weight: Optional[Any] = None,
            training: bool = True,
        ) -> Any:
            """Returns the loss of a batch: scalar float32."""
            return loss(y, y_pred)

    joint = JointLossModel(model.input, model.output, name=model.name)
    if loss.python_code and keras.backend.backend() == "tensorflow":
        joint.supports_jit = False
    return joint


def is_joint(model: Any) -> bool:
    """Whether a network was made by `for_loss` for a JointLoss."""
    return hasattr(model, "joint_loss")
