"""ScaledAdam: Adam with steps that are relative to the size of each tensor, and a step of its own for that size.

Source: Yao et al., "Zipformer", ICLR 2024, section on ScaledAdam.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, overload

import torch
from torch import Tensor
from torch.optim.optimizer import Optimizer, ParamsT

_SCALE_RATE = 0.1  # learning rate of the scale, relative to that of the direction; the authors' value
_RMS_FLOOR = 1e-5  # lets tensors leave zero; the authors' value


class ScaledAdam(Optimizer):
    """Adam with steps in units of the root mean square (RMS) of the tensor, and a second Adam for the tensor's scale.

    With m/sqrt(v) and n/sqrt(w) from the bias-corrected moments of the gradient g and of h = <g, theta>, the derivative
    of the loss by the logarithm of the tensor's scale:

        theta <- theta - lr * max(RMS(theta), floor) * m / (sqrt(v) + eps) - 0.1 * lr * n / (sqrt(w) + eps) * theta

    so that `lr` is a relative change per step; 0.03 is a usual value, in place of the 0.001 of Adam. The moments of h
    are taken at every step. The authors' program takes them at every fourth, and folds both updates into one momentum.

    The state of a parameter is `step`, `scale_exp_avg`, `scale_exp_avg_sq` of shape (), and `exp_avg`, `exp_avg_sq` of
    the parameter's shape. Parameters without a gradient stay as they are.

    Args:
        params: Parameters, or groups of them with their own settings.
        lr: Relative change of a tensor per step.
        betas: Decay of the first and of the second moments.
        eps: Added to the roots of the second moments.
        weight_decay: Decoupled: every step first shrinks the tensor by the factor 1 - lr * weight_decay.

    Raises:
        ValueError: If `lr`, `eps` or `weight_decay` is negative, or a beta is not in [0, 1).
    """

    def __init__(
        self,
        params: ParamsT,
        lr: float = 0.03,
        betas: tuple[float, float] = (0.9, 0.98),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
    ) -> None:
        if not min(lr, eps, weight_decay) >= 0:
            raise ValueError(f"lr, eps and weight_decay must be at least 0, got {lr}, {eps} and {weight_decay}")
        if not all(0 <= beta < 1 for beta in betas):
            raise ValueError(f"betas must be at least 0 and below 1, got {betas}")
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay})

    @overload
    def step(self, closure: None = None) -> None: ...

    @overload
    def step(self, closure: Callable[[], float]) -> float: ...

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:
        """Updates every parameter that has a gradient.

        Args:
            closure: Computes the loss and its gradients anew; None takes the gradients that the parameters have.

        Returns:
            The loss that `closure` returned; None without one.
        """
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self._update(parameter, parameter.grad, group)
        return loss

    def _update(self, parameter: Tensor, gradient: Tensor, group: dict[str, Any]) -> None:
        """Makes one step of one tensor, by the formula of the class."""
        state = self.state[parameter]
        if not state:
            state["step"] = torch.zeros(())
            for name, like in [("", parameter), ("scale_", parameter.new_zeros(()))]:
                state[f"{name}exp_avg"] = torch.zeros_like(like)
                state[f"{name}exp_avg_sq"] = torch.zeros_like(like)
        state["step"] += 1
        parameter.mul_(1 - group["lr"] * group["weight_decay"])
        rms = parameter.square().mean().sqrt().clamp(min=_RMS_FLOOR)
        scale_gradient = (gradient * parameter).sum()
        change = rms * _find_direction(state, "", gradient, group)
        change += _SCALE_RATE * _find_direction(state, "scale_", scale_gradient, group) * parameter
        parameter.sub_(change, alpha=group["lr"])


def _find_direction(state: dict[str, Tensor], name: str, gradient: Tensor, group: dict[str, Any]) -> Tensor:
    """Updates the two moments of a gradient; returns Adam's direction, corrected for their start from zero."""
    beta1, beta2 = group["betas"]
    steps = int(state["step"])
    mean = state[f"{name}exp_avg"].lerp_(gradient, 1 - beta1) / (1 - beta1**steps)
    square = state[f"{name}exp_avg_sq"].lerp_(gradient.square(), 1 - beta2) / (1 - beta2**steps)
    return mean / (square.sqrt() + group["eps"])
