"""The convolutional autoencoder of the course chapter."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from latentmap.networks.activations import make_activation
from latentmap.networks.base import Layer, Network, count_parameters
from latentmap.networks.initialization import initialize_in_order

CHANNELS = (32, 64)
STRIDE = 2
# Two strides of two: one latent cell stands for a block of 4×4 pixels.
BLOCK = STRIDE**2


class PatchConv(nn.Linear):
    """A convolution whose kernel is 2×2 and whose stride is 2.

    Its patches do not overlap, so on pixels kept patch by patch it is a matrix product: (m, 4·in) → (m, out). That is
    twice as fast on a CPU as a general convolution, with the same weights.
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(STRIDE**2 * in_channels, out_channels)


class PatchConvTranspose(nn.Module):
    """The transpose of :class:`PatchConv`: each pixel becomes a patch of 2×2. (m, in) → (4·m, out).

    Its bias belongs to the channel, not to the place in the patch, so it has ``out`` values and not 4·out.
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(STRIDE**2 * out_channels, in_channels))
        self.bias = nn.Parameter(torch.zeros(out_channels))

    def forward(self, pixels: Tensor) -> Tensor:
        patches = functional.linear(pixels, self.weight, self.bias.repeat(STRIDE**2))  # (m, 4·out)
        return patches.view(-1, len(self.bias))


class ConvNetwork(Network):
    """Two convolutions (32 and 64 channels, kernel 2, stride 2), the latent vector, and the same way back.

    For 28×28 images and 64 latent dimensions these are 160 + 8,256 + 200,768 + 203,840 + 8,224 + 129 = 421,377
    parameters. Sides that four does not divide are padded with zeros below and to the right, and the output is cropped.

    All layers work on pixels kept block by block: the image is arranged once at the door into blocks of 4×4, each made
    of four patches of 2×2, so that no layer has to move pixels again.

    Parameters
    ----------
    image_shape : (height, width, channels)
    latent_dim : int
    activation : str
        Of every layer but the last, which is a sigmoid.
    """

    def __init__(self, image_shape: tuple[int, ...], latent_dim: int, activation: str) -> None:
        super().__init__(image_shape, latent_dim)
        height, width, channels = image_shape
        self.rows, self.columns = -(-height // BLOCK), -(-width // BLOCK)  # of blocks
        flat = self.rows * self.columns * CHANNELS[1]
        self.conv = PatchConv(channels, CHANNELS[0])
        self.conv_1 = PatchConv(CHANNELS[0], CHANNELS[1])
        self.dense = nn.Linear(flat, latent_dim)
        self.dense_1 = nn.Linear(latent_dim, flat)
        self.conv_transpose = PatchConvTranspose(CHANNELS[1], CHANNELS[0])
        self.conv_transpose_1 = PatchConvTranspose(CHANNELS[0], channels)
        self.activations = nn.ModuleList([make_activation(activation) for _ in range(5)])

    def encode(self, images: Tensor) -> Tensor:
        """(n, height, width, channels) → (n, latent_dim)."""
        n, channels = len(images), self.image_shape[2]
        activations = self.activations
        hidden = self._arrange(images).view(-1, STRIDE**2 * channels)  # (n·4·blocks, 4·channels)
        hidden = activations[0](self.conv(hidden))  # (n·4·blocks, 32)
        hidden = activations[1](self.conv_1(hidden.view(-1, STRIDE**2 * CHANNELS[0])))  # (n·blocks, 64)
        latents: Tensor = activations[2](self.dense(hidden.view(n, -1)))
        return latents

    def decode(self, latents: Tensor) -> Tensor:
        """(n, latent_dim) → (n, height, width, channels), between 0 and 1."""
        activations = self.activations
        hidden = activations[3](self.dense_1(latents)).view(-1, CHANNELS[1])  # (n·blocks, 64)
        hidden = activations[4](self.conv_transpose(hidden))  # (n·4·blocks, 32)
        return self._restore(torch.sigmoid(self.conv_transpose_1(hidden)))

    def initialize(self, generator: torch.Generator, sample: Tensor) -> None:
        """Draw all weights anew, scaled on ``sample``; see :mod:`latentmap.networks.initialization`."""
        hidden = [self.conv, self.conv_1, self.dense, self.dense_1, self.conv_transpose]
        initialize_in_order(
            self, hidden, self.conv_transpose_1, self.activations[0], generator=generator, sample=sample
        )

    def layer_table(self) -> list[Layer]:
        """The layers as the course chapter lists them."""
        rows, columns = self.rows, self.columns
        flat = self.dense.in_features
        height, width, channels = self.image_shape
        return [
            self._layer("conv2d", "Conv2D", (2 * rows, 2 * columns, CHANNELS[0]), self.conv, 0),
            self._layer("conv2d_1", "Conv2D", (rows, columns, CHANNELS[1]), self.conv_1, 1),
            Layer("flatten", "Flatten", (None, flat), 0),
            self._layer("dense", "Dense", (self.latent_dim,), self.dense, 2),
            self._layer("dense_1", "Dense", (flat,), self.dense_1, 3),
            Layer("reshape", "Reshape", (None, rows, columns, CHANNELS[1]), 0),
            self._layer(
                "conv2d_transpose", "Conv2DTranspose", (2 * rows, 2 * columns, CHANNELS[0]), self.conv_transpose, 4
            ),
            self._layer(
                "conv2d_transpose_1", "Conv2DTranspose", (height, width, channels), self.conv_transpose_1, None
            ),
        ]

    def _layer(self, name: str, kind: str, shape: tuple[int, ...], module: nn.Module, activation: int | None) -> Layer:
        n_parameters = count_parameters(module)
        if activation is not None:
            n_parameters += count_parameters(self.activations[activation])
        return Layer(name, kind, (None, *shape), n_parameters)

    def _arrange(self, images: Tensor) -> Tensor:
        """(n, h, w, c) → (n, rows, columns, 2, 2, 2, 2, c): block, patch in the block, pixel in the patch."""
        height, width, channels = self.image_shape
        below, right = self.rows * BLOCK - height, self.columns * BLOCK - width
        if below or right:
            images = functional.pad(images, (0, 0, 0, right, 0, below))
        blocks = images.reshape(-1, self.rows, STRIDE, STRIDE, self.columns, STRIDE, STRIDE, channels)
        return blocks.permute(0, 1, 4, 2, 5, 3, 6, 7).contiguous()

    def _restore(self, pixels: Tensor) -> Tensor:
        """The way back from :meth:`_arrange`, cropped: (n·16·blocks, c) → (n, h, w, c)."""
        height, width, channels = self.image_shape
        blocks = pixels.view(-1, self.rows, self.columns, STRIDE, STRIDE, STRIDE, STRIDE, channels)
        images = blocks.permute(0, 1, 3, 5, 2, 4, 6, 7)
        return images.reshape(-1, self.rows * BLOCK, self.columns * BLOCK, channels)[:, :height, :width]
