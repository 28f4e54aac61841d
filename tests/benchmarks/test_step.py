"""Where the time of a training step goes."""

import pytest

from benchmarks.step import KINDS, OTHER, StepConfig, by_kind, kind_of, parts_table
from benchmarks.step import step_parts as parts

GRADIENT = "StatefulPartitionedCall/gradient_tape/unet_1/up1_1_"


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("call/unet_1/down1_conv/convolution:_MklNativeConv2D", "convolution, forward"),
        ("call/unet_1/score_1/BiasAdd:_MklNativeFusedConv2D", "convolution, forward"),
        ("call/x/depthwise:DepthwiseConv2dNative", "convolution, forward"),
        (f"{GRADIENT}conv/g:_MklNativeConv2DBackpropFilter", "convolution, by weights"),
        (f"{GRADIENT}conv/g:_MklNativeConv2DBackpropInput", "convolution, by inputs"),
        ("call/unet_1/bn/f:_MklNativeFusedBatchNormEx", "batch norm, forward"),
        (f"{GRADIENT}bn/g:_MklNativeFusedBatchNormGradV3", "batch norm, backward"),
        (f"{GRADIENT}relu/ReluGrad:ReluGrad", "activation"),
        (f"{GRADIENT}join/Slice:Slice", "joining, and its gradient"),
        ("call/unet_1/up1_join/concat:ConcatV2", "joining, and its gradient"),
        (f"{GRADIENT}resize/ResizeBilinearGrad:ResizeBilinearGrad", "enlarging"),
        ("call/unet_1/pool/MaxPool2d:_MklNativeMaxPool", "pooling"),
        ("call/compile_loss/segmentation_loss/Sum:Sum", "loss"),
        ("call/adam_w/ResourceApplyAdam_3:ResourceApplyAdam", "optimizer"),
        ("call/adam_w/mul_109:Mul", "optimizer"),
        ("call/sgd_1/AssignVariableOp:AssignVariableOp", "optimizer"),
        ("call/DenseBincount:DenseBincount", "metric"),
        ("call/transpose:Transpose", "layout"),
        ("call/AddN_1:AddN", OTHER),
    ],
)
def test_the_kind_of_an_operation(name, kind):
    assert kind_of(name) == kind
    assert kind in {*KINDS, OTHER}


def test_shares_by_hand():
    found = by_kind({"a:Conv2D": 6.0, "b:Conv2D": 1.0, "c:Relu": 2.0, "d:AddN": 1.0})
    assert found["millis"] == 10 and found["convolutions_share"] == 0.7
    assert found["kinds"] == {
        "convolution, forward": {"millis": 7.0, "share": 0.7, "operations": 2},
        "activation": {"millis": 2.0, "share": 0.2, "operations": 1},
        "other": {"millis": 1.0, "share": 0.1, "operations": 1},
    }
    assert list(found["slowest"]) == ["a:Conv2D", "c:Relu", "b:Conv2D", "d:AddN"]


@pytest.mark.slow
def test_a_step_is_profiled():
    config = StepConfig(model="unet", size=(32, 32), batch_size=2, steps=2)
    found = parts(config)
    for kind in ("convolution, by weights", "batch norm, backward", "optimizer"):
        assert found["kinds"][kind]["millis"] > 0
    assert sum(row["share"] for row in found["kinds"].values()) == pytest.approx(
        1, abs=0.01
    )
    assert "convolutions take" in parts_table(found)
