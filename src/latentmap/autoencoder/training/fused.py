"""Steps of a chain network on the CPU: products by torch, all between them by our own kernels, and no graph.

A batch is cut into one share for each thread, and each thread goes forward and back through the whole chain with its
own share, in parts where that is large; threads meet twice in a step, when their gradients are known and when Adam has
moved the weights. An activation is written over its input where its slope can be read off its result.

Each weight costs 2 flop forward, 2 for its own gradient and 2 for that of its input (not in the first link) for every
row that meets it. Memory: the activations of one part and one gradient for each thread, and Adam's two moments.
"""

from itertools import groupby, pairwise
from math import prod
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from latentmap.autoencoder.networks.chain import ChainNetwork, Link
from latentmap.autoencoder.training import elementwise
from latentmap.autoencoder.training.adam import BETA_2, EPSILON, rate_shares, update
from latentmap.core.parallel import Array, Workers, chunk_bounds

# Images in a share below which a further thread costs more than it brings.
FEWEST_IN_A_SHARE = 32
# Most bytes of activations in a part. Large parts make long products; only large images come near it.
PART_BYTES = 2**25
# Rows of this many values suit the kernels: long enough for vector registers, short enough for the first-level cache.
WIDEST_ROW = 512
WITHOUT_PARAMETER: dict[type[nn.Module], int] = {
    nn.Identity: elementwise.IDENTITY,
    nn.ReLU: elementwise.LEAKY_RELU,  # of slope 0
    nn.Tanh: elementwise.TANH,
    nn.Sigmoid: elementwise.SIGMOID,
    nn.SiLU: elementwise.SILU,
}


def fusible(network: nn.Module) -> bool:
    """Whether the kernels can take this network: a chain on the CPU, of activations that they know."""
    return isinstance(network, ChainNetwork) and all(
        _kind(link.activation) is not None and _parameter(link.layer.weight).device.type == "cpu"
        for link in (*network.encoder(), *network.decoder())
    )


class FusedSteps:
    """Steps of Adam on the mean squared error of batches.

    Parameters
    ----------
    network : ChainNetwork
        Trained in place; see :func:`fusible`.
    dtype : torch.float32 or torch.bfloat16
        Of activations and of the factors of products. Weights, sums and moments are float32.
    max_grad_norm : float, optional
        Longer gradients are scaled down to this length.
    beta_2 : float
        Of Adam.
    """

    def __init__(
        self,
        network: ChainNetwork,
        dtype: torch.dtype,
        max_grad_norm: float | None = None,
        beta_2: float = BETA_2,
    ) -> None:
        self._chain = _Chain(network, [*network.encoder(), *network.decoder()], dtype)
        self._network = network
        self._workers = Workers(torch.get_num_threads())
        self._max_grad_norm = max_grad_norm
        self._beta_2 = beta_2
        parameters = dict(network.named_parameters())
        self._shapes = {name: parameter.shape for name, parameter in parameters.items()}
        self._weights = torch.cat([parameter.detach().reshape(-1) for parameter in parameters.values()])
        for parameter, values in zip(parameters.values(), self._cut(self._weights).values(), strict=True):
            parameter.data = values
        size = len(self._weights)
        shares = rate_shares(network)
        self._pieces = _pieces([(p.numel(), shares[name]) for name, p in parameters.items()], self._workers.n_threads)
        self._moments = torch.zeros(2, size)
        self._n_steps = 0
        self._copies = torch.empty(size, dtype=dtype)
        self._copy_weights()
        self._gradients = torch.empty(self._workers.n_threads, size, dtype=dtype)
        self._bind(network)
        self._tapes: list[_Tape] = []

    def step(self, inputs: NDArray[Any], targets: NDArray[Any], learning_rate: float, progress: float) -> float:  # noqa: ARG002
        """Learn from a batch.

        Parameters
        ----------
        inputs, targets : (n, *image_shape) uint8, or float32 in [0, 1]
        learning_rate : float
        progress : float
            Share of the training that is done; of no account here.

        Returns
        -------
        float
            The loss before the step.
        """
        loss = self.gradient(inputs, targets)
        gradients = _array(self._gradients[: self._n_shares])
        scale = 1.0
        if self._max_grad_norm is not None:
            scale = min(1.0, self._max_grad_norm / max(elementwise.squared_norm(gradients) ** 0.5, EPSILON))
        self._n_steps += 1
        weights, copies, first, second = (_array(x) for x in (self._weights, self._copies, *self._moments))

        def descend(k: int) -> None:
            for part, share in self._pieces[k]:
                rate = learning_rate * share
                update(part, weights, copies, gradients, first, second, rate, self._beta_2, scale, self._n_steps)

        self._workers.run(descend, self._workers.n_threads)
        return loss

    def gradient(self, inputs: NDArray[Any], targets: NDArray[Any]) -> float:
        """The loss; each thread's gradient is left in a row of its own."""
        n = len(inputs)
        self._n_shares = max(1, min(self._workers.n_threads, n // FEWEST_IN_A_SHARE))
        cut = chunk_bounds(n, self._n_shares)
        part = min(-(-n // self._n_shares), self._chain.images_in(PART_BYTES))
        if len(self._tapes) < self._n_shares or self._tapes[0].capacity < part:
            self._tapes = [_Tape(self._chain, part, self._slopes[k]) for k in range(self._n_shares)]
        losses = [0.0] * self._n_shares
        share = (self._chain.mask / n).astype(np.float32)
        threads = torch.get_num_threads()

        def work(k: int) -> None:
            torch.set_num_threads(1)  # of this thread; all of them multiply at once
            tape = self._tapes[k]
            tape.begin(in_parts=cut[k + 1] - cut[k] > tape.capacity)
            for begin in range(cut[k], cut[k + 1], tape.capacity):
                rows = slice(begin, min(begin + tape.capacity, cut[k + 1]))
                x = self._chain.arranged(inputs[rows])
                target = x if inputs is targets else self._chain.arranged(targets[rows])
                losses[k] += tape.learn(x, target, share)
            tape.end()

        try:
            self._workers.run(work, self._n_shares)
        finally:
            torch.set_num_threads(threads)
        return sum(losses)

    def state(self) -> dict[str, Tensor]:
        """Adam's moments by parameter, and the number of steps."""
        first, second = (self._cut(moment) for moment in self._moments)
        return {"steps": torch.tensor(self._n_steps)} | {
            f"{kind}.{name}": values
            for kind, moments in (("exp_avg", first), ("exp_avg_sq", second))
            for name, values in moments.items()
        }

    def restore(self, state: dict[str, Tensor]) -> None:
        """Go on from :meth:`state`, after the network's weights have been loaded."""
        for name, values in self.state().items():
            values.copy_(state[name])
        self._n_steps = int(state["steps"])
        self._copy_weights()

    def close(self) -> None:
        """Give the network weights of its own again, and let go of the threads."""
        for parameter in self._network.parameters():
            parameter.data = parameter.data.clone()
        self._workers.close()

    def _cut(self, flat: Tensor) -> dict[str, Tensor]:
        """A view of ``flat`` for each parameter, in its shape."""
        pieces = torch.split(flat, [shape.numel() for shape in self._shapes.values()])
        return {name: piece.view(shape) for (name, shape), piece in zip(self._shapes.items(), pieces, strict=True)}

    def _copy_weights(self) -> None:
        """Round the weights as Adam's kernel does, so that it makes no difference which of the two did it."""
        elementwise.load(self._weights.numpy()[None], _array(self._copies)[None])

    def _bind(self, network: ChainNetwork) -> None:
        """Let the chain read its factors from the copies, and the tapes write into the gradients."""
        names = {id(parameter): name for name, parameter in network.named_parameters()}
        of_links = [[names[id(getattr(link.layer, kind))] for kind in ("weight", "bias")] for link in self._chain.links]
        copies, weights = self._cut(self._copies), self._cut(self._weights)
        self._chain.weights = [copies[weight] for weight, _ in of_links]
        self._chain.transposed = [weight.t() for weight in self._chain.weights]
        self._chain.biases = [weights[bias].numpy() for _, bias in of_links]
        rows = [self._cut(row) for row in self._gradients]
        self._slopes = [[(row[weight], row[bias]) for weight, bias in of_links] for row in rows]


class _Chain:
    """The links and what they multiply with."""

    def __init__(self, network: ChainNetwork, links: list[Link], dtype: torch.dtype) -> None:
        self.links = links
        self.dtype = dtype
        self.cross_entropy = network.cross_entropy
        self.kinds = [_known_kind(link.activation) for link in links]
        n_values = prod(network.image_shape)
        numbered = torch.arange(1, n_values + 1).view(1, *network.image_shape)
        self._order = network.arrange(numbered).reshape(-1).numpy() - 1  # -1 where the image is padded
        self._plain = len(self._order) == n_values and bool((self._order == np.arange(n_values)).all())
        self.mask = (self._order >= 0) / n_values  # padding does not count
        self.size = len(self._order)
        self.values = []  # of one image, after each link
        values = self.size
        for weight in (_parameter(link.layer.weight) for link in links):
            values = values // weight.shape[1] * weight.shape[0]
            self.values.append(values)
        self.weights = [_parameter(link.layer.weight) for link in links]
        self.transposed = [weight.t() for weight in self.weights]
        self.biases = [_parameter(link.layer.bias).numpy() for link in links]

    def images_in(self, n_bytes: int) -> int:
        """Images whose activations take so many bytes; at least one."""
        return max(1, n_bytes // (self.dtype.itemsize * (self.size + sum(self.values))))

    def arranged(self, images: NDArray[Any]) -> NDArray[Any]:
        """(n, *image_shape) → (n, size) in the order of the chain."""
        flat = images.reshape(len(images), -1)
        if self._plain:
            return flat
        out = np.empty((len(flat), self.size), flat.dtype)
        elementwise.arrange(flat, self._order, out)
        return out


class _Views(NamedTuple):
    """A link's part of the buffers for some number of images: matrices for products, the same memory for kernels."""

    rows: Tensor  # (r, in): what the link takes
    product: Tensor  # (r, out); the last link has its slope in the same place
    product_values: Array
    result_values: Array  # the activation, in the product's place or in its own
    slope: Tensor  # (r, out)
    slope_transposed: Tensor
    before: Tensor  # (r, in), the slope of what the link takes
    before_values: Array  # as rows of the biases of the link before
    kept_values: Array  # what tells the slope of the activation before


class _Tape:
    """The buffers of one thread for a forward and a backward pass: activations, two gradients of them, rows of biases.

    Parameters
    ----------
    chain : _Chain
    capacity : int
        Most images in a part.
    gradient : list of (Tensor, Tensor)
        Where the gradient of each link's weight and bias is to be written.
    """

    def __init__(self, chain: _Chain, capacity: int, gradient: list[tuple[Tensor, Tensor]]) -> None:
        self.capacity = capacity
        self._chain = chain
        self._gradient = gradient
        rows = [_row(len(bias), values) for bias, values in zip(chain.biases, chain.values, strict=True)]
        rows[-1] = chain.values[-1]  # compared with the target pixel by pixel
        self._biases = [np.empty(row, np.float32) for row in rows]
        self._dbiases = [np.empty(row, np.float32) for row in rows]
        self._activations = [torch.empty(capacity * v, dtype=chain.dtype) for v in (chain.size, *chain.values)]
        self._inputs = [
            torch.empty_like(self._activations[i + 1]) if kind == elementwise.SILU else self._activations[i + 1]
            for i, (kind, _) in enumerate(chain.kinds)
        ]
        self._slopes = [torch.empty(capacity * max(chain.values), dtype=chain.dtype) for _ in range(2)]
        self._views: dict[int, list[_Views]] = {}
        self._sums: list[Tensor] = []

    def begin(self, *, in_parts: bool) -> None:
        """Take the biases as they are now, and set to zero what is summed; over several parts, in float32."""
        for row, sums, bias in zip(self._biases, self._dbiases, self._chain.biases, strict=True):
            row.reshape(-1, len(bias))[:] = bias
            sums[:] = 0
        self._sums = [torch.zeros(weight.shape) for weight in self._chain.weights] if in_parts else []

    def learn(self, inputs: NDArray[Any], targets: NDArray[Any], share: NDArray[np.float32]) -> float:
        """Go forward and back with a part, (m, size) images; the loss."""
        m, chain = len(inputs), self._chain
        if m not in self._views:
            self._views[m] = [self._view(i, m) for i in range(len(chain.links))]
        views = self._views[m]
        with torch.no_grad():
            elementwise.load(inputs, _array(self._activations[0][: m * chain.size]).reshape(m, chain.size))
            for i, view in enumerate(views[:-1]):
                torch.mm(view.rows, chain.transposed[i], out=view.product)
                kind, alpha = chain.kinds[i]
                if kind == elementwise.SILU:
                    elementwise.activate_silu(view.product_values, self._biases[i], view.result_values)
                else:
                    elementwise.activate(kind, alpha, view.product_values, self._biases[i])
            last = views[-1]
            torch.mm(last.rows, chain.transposed[-1], out=last.product)
            compared = last.product_values, self._biases[-1], targets, share, self._dbiases[-1]
            loss = elementwise.compare(chain.cross_entropy, *compared)
            for i in range(len(views) - 1, -1, -1):
                self._back(i, views[i])
        return loss

    def end(self) -> None:
        """Write what was summed."""
        for i, (dweight, dbias) in enumerate(self._gradient):
            sums = self._dbiases[i].reshape(-1, len(dbias)).sum(axis=0, keepdims=True)
            elementwise.load(sums, _array(dbias)[None])
            if self._sums:
                elementwise.load(self._sums[i].numpy(), _array(dweight))

    def _back(self, i: int, view: _Views) -> None:
        """The gradient of link ``i``'s weight, and the slope of what it takes."""
        dweight = self._gradient[i][0]
        torch.mm(view.slope_transposed, view.rows, out=dweight)
        if self._sums:
            elementwise.accumulate(_array(dweight), self._sums[i].numpy())
        if i:
            torch.mm(view.slope, self._chain.weights[i], out=view.before)
            kind, alpha = self._chain.kinds[i - 1]
            elementwise.differentiate(kind, alpha, view.before_values, view.kept_values, self._dbiases[i - 1])

    def _view(self, i: int, m: int) -> _Views:
        chain, last = self._chain, len(self._chain.links) - 1
        out, into = chain.weights[i].shape
        n_taken, n_given = m * (chain.values[i - 1] if i else chain.size), m * chain.values[i]
        product = self._inputs[i][:n_given]
        result = self._activations[i + 1][:n_given]
        slope = (product if i == last else self._slopes[(i + 1) % 2][:n_given]).view(-1, out)
        before = self._slopes[i % 2][:n_taken]
        kept = self._inputs[i - 1][:n_taken] if i else before
        own, previous = len(self._biases[i]), len(self._biases[i - 1]) if i else into
        return _Views(
            rows=self._activations[i][:n_taken].view(-1, into),
            product=product.view(-1, out),
            product_values=_array(product).reshape(-1, own),
            result_values=_array(result).reshape(-1, own),
            slope=slope,
            slope_transposed=slope.t(),
            before=before.view(-1, into),
            before_values=_array(before).reshape(-1, previous),
            kept_values=_array(kept).reshape(-1, previous),
        )


def _pieces(parameters: list[tuple[int, float]], n_shares: int) -> list[list[tuple[slice, float]]]:
    """Cut a flat array of parameters, each (size, rate), into equal shares, and each share where the rate changes."""
    size = sum(n for n, _ in parameters)
    cut = chunk_bounds(size, n_shares)
    shares: list[list[tuple[slice, float]]] = []
    for begin, end in pairwise(cut):
        pieces, at = [], 0
        for rate, group in groupby(parameters, key=lambda parameter: parameter[1]):
            n = sum(length for length, _ in group)
            low, high = max(begin, at), min(end, at + n)
            if low < high:
                pieces.append((slice(low, high), rate))
            at += n
        shares.append(pieces)
    return shares


def _row(n_biases: int, values: int) -> int:
    """Length of the rows in which the kernels see a link's output: whole repetitions of its bias."""
    repeats = values // n_biases
    return n_biases * max(
        k for k in range(1, repeats + 1) if repeats % k == 0 and (n_biases * k <= WIDEST_ROW or k == 1)
    )


def _kind(activation: nn.Module) -> tuple[int, float] | None:
    """The kernels' number for an activation, and its parameter; None when they do not know it."""
    match activation:
        case nn.ELU():
            return elementwise.ELU, activation.alpha
        case nn.LeakyReLU():
            return elementwise.LEAKY_RELU, activation.negative_slope
    kind = WITHOUT_PARAMETER.get(type(activation))
    return None if kind is None else (kind, 0.0)


def _known_kind(activation: nn.Module) -> tuple[int, float]:
    kind = _kind(activation)
    assert kind is not None, f"{activation}: not fusible"
    return kind


def _parameter(value: object) -> Tensor:
    assert isinstance(value, nn.Parameter)
    return value.detach()


def _array(values: Tensor) -> NDArray[Any]:
    """The values' memory as NumPy sees it: bfloat16 as uint16."""
    return (values.view(torch.uint16) if values.dtype == torch.bfloat16 else values).numpy()
