"""Which parameters a refinement may change.

The paper's fine-tuning freezes all down blocks and the middle block and trains the last up blocks,
all five for cross-sections, two for longitudinal ones; its released program freezes the first two
of five. The first and the last convolution and the embedding of time are always trained.
"""

import torch
from diffusers import UNet2DModel

from partsim.errors import UserError


def freeze(unet: UNet2DModel, up_blocks: int) -> None:
    """Leaves the last `up_blocks` up blocks trainable, and what is always trained."""
    blocks = len(unet.up_blocks)
    if not 0 <= up_blocks <= blocks:
        raise UserError(f"--set up_blocks={up_blocks}, but the network has {blocks}")
    frozen = [*unet.down_blocks, unet.mid_block, *unet.up_blocks[: blocks - up_blocks]]
    for block in frozen:
        block.requires_grad_(False)


def trainable(unet: torch.nn.Module) -> int:
    """The number of parameters that are trained."""
    return sum(weights.numel() for weights in unet.parameters() if weights.requires_grad)
