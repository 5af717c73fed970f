"""Householder and Sylvester flows: rotations by reflections, and planar flows with as many directions as dimensions."""

import torch
from torch import Tensor, nn

from timbre.models.flows.flow import Flow
from timbre.models.flows.planar import EPSILON, solve

REFLECTIONS = 8  # of the rotation in each Sylvester layer


def reflect(z: Tensor, vectors: Tensor) -> Tensor:
    """Points (..., dim) after reflections, one after another; `vectors` (..., count, dim) are normal to the mirrors."""
    for v in vectors.unbind(-2):
        square = v.square().sum(-1, keepdim=True).clamp_min(torch.finfo(v.dtype).tiny ** 0.5)
        z = z - 2.0 * (v * z).sum(-1, keepdim=True) / square * v
    return z


def normals(count: int, dim: int) -> Tensor:
    """Vectors (count, dim) of unit mean square, in equal pairs along dimensions in turn: reflections at each pair undo
    each other."""
    return dim**0.5 * torch.eye(dim)[torch.arange(count) // 2 % dim]


class _StackedFlow(Flow):
    """A flow whose layers each take `each` numbers: rows of one table, or those of the note."""

    def __init__(self, dim: int, layers: int, amortised: bool, each: int) -> None:
        super().__init__(dim, layers, amortised, layers * each)
        self.each = each
        if not amortised:
            start = self.start().unflatten(0, (layers, each))
            self.values = nn.Parameter(start + 0.02 * torch.randn(layers, each))

    def table(self, parameters: Tensor | None) -> Tensor:
        """The numbers of all layers, (layers, `each`) or (batch, layers, `each`)."""
        own = self.given(parameters)
        return self.values if own is None else own.unflatten(-1, (self.layers, self.each))


class HouseholderFlow(_StackedFlow):
    """K reflections f(z) = z - 2 v v.z / |v|^2, one after another (Tomczak and Welling 2016, arXiv 1611.09630).

    They preserve volume. Amortised, they turn each note's diagonal Gaussian into one with a covariance of its own; a
    global one rotates all notes alike.
    """

    def __init__(self, dim: int, layers: int, amortised: bool = False) -> None:
        super().__init__(dim, layers, amortised, dim)

    def start(self) -> Tensor:
        """Pairs of reflections that undo each other."""
        return normals(self.layers, self.dim).flatten()

    def forward(self, z: Tensor, parameters: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Points carried through the flow, and the log |det| of its Jacobian, 0."""
        return reflect(z, self.table(parameters)), z.new_zeros(z.shape[:-1])

    def inverse(self, z: Tensor, parameters: Tensor | None = None) -> Tensor:
        """Points carried back through the flow."""
        return reflect(z.double(), self.table(parameters).double().flip(-2)).to(z.dtype)


class SylvesterFlow(_StackedFlow):
    """K maps f(z) = z + Q R tanh(S Q^T z + b), one after another (van den Berg et al. 2018, arXiv 1803.05649).

    Q is orthogonal, a product of 8 reflections (the paper's Householder form); R and S are upper triangular with
    diagonals in (-1, 1), so that every r_ii s_ii > -1 and the map is invertible. One layer bends the space along all
    dimensions, a planar one along one. log |det| is the sum of log(1 + r_ii s_ii tanh'(.)).
    """

    def __init__(self, dim: int, layers: int, amortised: bool = False) -> None:
        rows, columns = torch.triu_indices(dim, dim)
        self.triangle = len(rows)
        places = torch.zeros(dim, dim, dtype=torch.long)
        places[rows, columns] = torch.arange(self.triangle)
        super().__init__(dim, layers, amortised, (REFLECTIONS + 1) * dim + 2 * self.triangle)
        self.places = nn.Buffer(places, persistent=False)  # numbers of a triangle's entries

    def start(self) -> Tensor:
        """R = 0, where the map is the identity, and a multiple of the identity for S, so that R has a gradient."""
        rows, columns = torch.triu_indices(self.dim, self.dim)
        vectors, zeros = normals(REFLECTIONS, self.dim).flatten(), torch.zeros(self.triangle)
        layer = torch.cat([vectors, zeros, (rows == columns).float(), torch.zeros(self.dim)])
        return layer.repeat(self.layers)

    def forward(self, z: Tensor, parameters: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Points carried through the flow, and the log |det| of its Jacobian."""
        log_abs_det = z.new_zeros(z.shape[:-1])
        for values in self.table(parameters).unbind(-2):
            vectors, r, s, b = self._matrices(values)
            turned = reflect(z, vectors)  # Q^T z
            value = torch.tanh(_product(s, turned) + b)
            z = reflect(turned + _product(r, value), vectors.flip(-2))
            slopes = _diagonal(r) * _diagonal(s) * (1.0 - value * value)
            log_abs_det = log_abs_det + torch.log1p(slopes).sum(-1)
        return z, log_abs_det

    def inverse(self, z: Tensor, parameters: Tensor | None = None) -> Tensor:
        """Points carried back through the flow.

        The matrices are triangular: from the last dimension to the first, each is found alone, as in a planar map.
        """
        dtype, z = z.dtype, z.double()
        for values in reversed(self.table(parameters).unbind(-2)):
            vectors, r, s, b = self._matrices(values.double())
            turned = reflect(z, vectors)
            z = reflect(_untangled(turned, r, s, b), vectors.flip(-2))
        return z.to(dtype)

    def _matrices(self, values: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Reflections (..., 8, dim), R and S (..., dim, dim), and b (..., dim) of a layer."""
        sizes = (REFLECTIONS * self.dim, self.triangle, self.triangle, self.dim)
        vectors, r, s, b = values.split(sizes, -1)
        return vectors.unflatten(-1, (REFLECTIONS, self.dim)), self._triangular(r), self._triangular(s), b

    def _triangular(self, values: Tensor) -> Tensor:
        """Upper triangular matrices (..., dim, dim), whose diagonals, the tanh of numbers, stay within (-1, 1).

        The other numbers are divided by sqrt(dim): of numbers of unit scale, a row's product has unit scale too.
        """
        full = values[..., self.places]
        limited = torch.diag_embed((1.0 - EPSILON) * torch.tanh(_diagonal(full)))
        return full.triu(1) / self.dim**0.5 + limited


def _product(matrix: Tensor, z: Tensor) -> Tensor:
    return (matrix * z.unsqueeze(-2)).sum(-1)  # not a matrix product, which mixed precision would round


def _diagonal(matrix: Tensor) -> Tensor:
    return matrix.diagonal(dim1=-2, dim2=-1)


def _untangled(target: Tensor, r: Tensor, s: Tensor, b: Tensor) -> Tensor:
    """The y (..., dim) for which y + R tanh(S y + b) = target."""
    y, value = torch.zeros_like(target), torch.zeros_like(target)
    for i in reversed(range(target.shape[-1])):
        known = (s[..., i, i + 1 :] * y[..., i + 1 :]).sum(-1) + b[..., i]
        rest = target[..., i] - (r[..., i, i + 1 :] * value[..., i + 1 :]).sum(-1)
        along = solve(s[..., i, i] * rest, s[..., i, i] * r[..., i, i], known)
        value[..., i] = torch.tanh(along + known)
        y[..., i] = rest - r[..., i, i] * value[..., i]
    return y
