"""The group of options that change training images at random."""

from __future__ import annotations

from dataclasses import dataclass

from kseg.core.options import AUGMENTING, Names, Share, Use, option

PASTING = Use(lambda config: config.paste, "without --paste")


@dataclass(frozen=True, kw_only=True)
class AugmentationOptions:
    """Random changes of training images."""

    title = "Augmentation"

    scale: float = option(
        1.6,
        "scale images by a random factor from 1/SCALE to SCALE; for objects 1.5",
        AUGMENTING,
        basic=True,
        most=16,
    )
    color: float = option(
        0.2,
        "random brightness, contrast and saturation, 0 to 1",
        AUGMENTING,
        basic=True,
    )
    flip: bool = option(
        True, "mirror images at random, left to right", AUGMENTING, basic=True
    )
    elastic: float = option(
        0.0,
        "elastic deformation: standard deviation in pixels; U-Net's paper has 10",
        AUGMENTING,
        most=1000,
    )
    rotate: float = option(
        0.0,
        "rotate by up to this many degrees either way",
        AUGMENTING,
        most=180,
    )
    flip_vertical: bool = option(
        False,
        "mirror images at random, top to bottom, as for microscopy",
        AUGMENTING,
    )
    blur: float = option(
        0.0,
        "blur half of the crops, sigma up to this many pixels",
        AUGMENTING,
        most=100,
    )
    noise: Share = option(
        0.0,
        "Gaussian noise, standard deviation up to this share of 255",
        AUGMENTING,
    )
    cutout: Share = option(
        0.0,
        "hide a rectangle of up to this share of the crop; its mask is void",
        AUGMENTING,
    )
    rare_crops: Share = option(
        0.0,
        "share of crops centred on a class of the image, chosen at random",
        AUGMENTING,
    )
    mosaic: Share = option(
        0.0, "share of crops made of four images; of objects only", AUGMENTING
    )
    paste: Share = option(
        0.0,
        "share of crops with objects pasted from other images; needs masks",
        AUGMENTING,
    )
    paste_classes: Names = option(
        ("rare",),
        "classes whose objects are pasted, or rare; of masks of classes only",
        PASTING,
    )
