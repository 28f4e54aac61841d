"""The losses of kseg's training written in PyTorch, for the comparison of a step."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Callable, Sequence

from edge.core.constants import IGNORE_INDEX, MAX_EXPONENT, VARIANCES
from edge.predict.boxes import anchor_grid
from kseg.models.boxes.iou import EPSILON
from kseg.training.losses.objects import BOX_WEIGHT, MASK_WEIGHT

if TYPE_CHECKING:
    import torch

Outputs = dict[str, "torch.Tensor"]
Loss = Callable[[Any, Any], "torch.Tensor"]  # (outputs, target) -> scalar


def cross_entropy(logits: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Cross-entropy without void pixels: (B, C, H, W), (B, H, W) -> scalar."""
    from torch.nn import functional

    return functional.cross_entropy(logits, mask.long(), ignore_index=IGNORE_INDEX)


def object_loss(size: tuple[int, int], strides: Sequence[int]) -> Loss:
    """The loss of kseg.training.losses.objects for crops of `size` (height, width).

    It takes the outputs of `torch_model`, whose prototypes are (B, K, h, w), and the
    target that is described there.
    """
    import torch

    step = max(strides)
    padded = tuple(-(-side // step) * step for side in size)
    # Copies: the arrays of anchor_grid are read-only, which PyTorch warns of.
    grid = anchor_grid((padded[0], padded[1]), strides)
    centers, sides = (torch.from_numpy(array.copy()) for array in grid)

    def loss(outputs: Outputs, target: Outputs) -> torch.Tensor:
        classes = target["classes"].long()
        image, cell = torch.nonzero(classes >= 0, as_tuple=True)
        count = max(len(cell), 1)
        boxes = decode(outputs["boxes"][image, cell], centers[cell], sides[cell])
        iou, giou = iou_and_giou(boxes, target["boxes"][image, cell])
        quality = torch.zeros_like(outputs["scores"])
        quality[image, cell, classes[image, cell]] = iou.detach()
        focal = quality_focal(quality, outputs["scores"])
        total = (focal * (classes != -2)[..., None]).sum() / count
        total = total + BOX_WEIGHT * (1 - giou).sum() / count
        if "prototypes" in outputs:
            total = total + MASK_WEIGHT * mask_term(outputs, target)
        return total

    return loss


def decode(
    deltas: torch.Tensor, centers: torch.Tensor, sides: torch.Tensor
) -> torch.Tensor:
    """(N, 4) dy, dx, dh, dw, (N, 2) and (N,) -> (N, 4) x0, y0, x1, y1 in pixels."""
    import torch

    place = deltas[:, :2] * torch.tensor(VARIANCES[:2]) * sides[:, None] + centers
    scale = deltas[:, 2:] * torch.tensor(VARIANCES[2:])
    scale = scale.clamp(-MAX_EXPONENT, MAX_EXPONENT)
    half = sides[:, None] * scale.exp() / 2
    return torch.cat([(place - half).flip(1), (place + half).flip(1)], dim=1)


def iou_and_giou(a: torch.Tensor, b: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """(N, 4) and (N, 4) x0, y0, x1, y1 -> IoU and generalized IoU (N,)."""
    import torch

    def area(start: torch.Tensor, end: torch.Tensor) -> torch.Tensor:
        return (end - start).clamp(min=0).prod(dim=1)

    inner = area(torch.maximum(a[:, :2], b[:, :2]), torch.minimum(a[:, 2:], b[:, 2:]))
    hull = area(torch.minimum(a[:, :2], b[:, :2]), torch.maximum(a[:, 2:], b[:, 2:]))
    union = area(a[:, :2], a[:, 2:]) + area(b[:, :2], b[:, 2:]) - inner
    iou = inner / (union + EPSILON)
    return iou, iou - (hull - union) / (hull + EPSILON)


def quality_focal(target: torch.Tensor, logits: torch.Tensor) -> torch.Tensor:
    """|y - p| squared times the cross-entropy, of the shape of both."""
    from torch.nn import functional

    entropy = functional.binary_cross_entropy_with_logits(
        logits, target, reduction="none"
    )
    return (target - logits.sigmoid()).square() * entropy


def mask_term(outputs: Outputs, target: Outputs) -> torch.Tensor:
    """The mean loss of the masks of `mask_cells`."""
    import torch
    from torch.nn import functional

    cells = target["mask_cells"].long()
    images = torch.arange(len(cells))[:, None]
    weights = outputs["coefficients"][images, cells.clamp(min=0)]  # (B, P, K)
    prototypes = outputs["prototypes"].permute(0, 2, 3, 1)
    _, height, width, _ = prototypes.shape
    # In channels-last memory, rows of cells are a view.
    logits = weights @ prototypes.flatten(1, 2).transpose(1, 2)
    logits = logits.unflatten(2, (height, width))
    masks = target["masks"].float()
    logits = sample(logits, target["mask_boxes"], masks.shape[-1])
    entropy = functional.binary_cross_entropy_with_logits(
        logits, masks, reduction="none"
    )
    probability = logits.sigmoid()
    both = (masks * probability).sum((2, 3))
    dice = 1 - (2 * both + 1) / (masks.sum((2, 3)) + probability.sum((2, 3)) + 1)
    loss = entropy.mean((2, 3)) + dice
    used = cells >= 0
    return (loss * used).sum() / used.sum().clamp(min=1)


def sample(maps: torch.Tensor, boxes: torch.Tensor, count: int) -> torch.Tensor:
    """(..., h, w) at count x count points of boxes (..., 4) in cells, bilinear."""
    import torch

    steps = (torch.arange(count) + 0.5) / count

    def weights(start: torch.Tensor, end: torch.Tensor, cells: int) -> torch.Tensor:
        places = (start + (end - start) * steps - 0.5).clamp(0, cells - 1)
        return (1 - (places[..., None] - torch.arange(cells)).abs()).clamp(min=0)

    x0, y0, x1, y1 = boxes.split(1, dim=-1)
    rows = weights(y0, y1, maps.shape[-2])
    return rows @ maps @ weights(x0, x1, maps.shape[-1]).transpose(-1, -2)


def loss_of_objects(network: dict[str, Any], size: tuple[int, int]) -> Loss:
    """`object_loss` for the strides of a network."""
    return object_loss(size, network["strides"])


# Task -> function (arguments of build_model, crop size) -> loss.
LOSSES: dict[str, Callable[[dict[str, Any], tuple[int, int]], Loss]] = {
    "semantic": lambda network, size: cross_entropy,
    "instance": loss_of_objects,
    "detection": loss_of_objects,
}
