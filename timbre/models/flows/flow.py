"""What all flows have in common."""

from torch import Tensor, nn


class Flow(nn.Module):
    """An invertible map of points in layers of one kind, and its Jacobian's determinant (Rezende and Mohamed 2015).

    Its parameters are global (one set, learned) or amortised: what makes them is given with every call, for each note.

    Attributes:
        dim: dimensions of z.
        layers: K, 0 or more; with 0 the flow is the identity.
        amortised: whether `parameters` are passed to every call.
        size: numbers per note that an amortised flow is given.
    """

    def __init__(self, dim: int, layers: int, amortised: bool, size: int) -> None:
        super().__init__()
        self.dim, self.layers, self.amortised, self.size = dim, layers, amortised, size

    def forward(self, z: Tensor, parameters: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Map points through all layers.

        Args:
            z: (batch, dim).
            parameters: (batch, `size`), for an amortised flow only.

        Returns:
            The mapped points (batch, dim) and log |det df/dz| (batch,), nats.

        Raises:
            ValueError: if the flow is amortised and no parameters came.
        """
        raise NotImplementedError

    def inverse(self, z: Tensor, parameters: Tensor | None = None) -> Tensor:
        """The points that `forward` maps to z (batch, dim), exact to rounding; computed in float64."""
        raise NotImplementedError

    def given(self, parameters: Tensor | None) -> Tensor | None:
        """The parameters of this call: those of an amortised flow, None for a global one."""
        if self.amortised and parameters is None:
            raise ValueError("An amortised flow needs its parameters with every call.")
        return parameters if self.amortised else None
