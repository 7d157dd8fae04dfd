"""The networks that are compared. All see the same crop, [N, 1, T, D, H, W], and have two outputs: logits of pN+ and cN+.

They differ in what they convolve over: a slice (2D), a volume (3D), or a volume over time (4D), each in two
convolutional layers of like width, the first of stride 2 in space. The hybrid is the 4D network with the clinical
data joined to its pooled features.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

# The phase that networks without time see: the first after contrast agent.
EARLY = 2


class Conv4d(nn.Module):
    """Convolution over [N, T, C, D, H, W] with an odd kernel, padded in space and valid in time.

    PyTorch has none. The frames under the kernel are stacked as channels, so that one 3D convolution does the
    work of kT; the sums are those of a direct 4D convolution, and the weight has the shape that ONNX's Conv
    wants: [out, in, kT, kD, kH, kW]. Frames come before channels so that nothing need be transposed.
    """

    def __init__(self, channels: int, out: int, kernel: int = 3, stride: int = 1) -> None:
        super().__init__()
        self.kernel, self.stride = kernel, stride
        fan_in = channels * kernel**4
        self.weight = nn.Parameter(torch.randn(out, channels, *[kernel] * 4) * (2 / fan_in) ** 0.5)

    def forward(self, x: Tensor) -> Tensor:
        n, t, channels = x.shape[:3]
        frames = t - self.kernel + 1
        windows = torch.stack([x[:, i : i + self.kernel] for i in range(frames)], 1)
        folded = windows.reshape(n * frames, self.kernel * channels, *x.shape[3:])
        weight = self.weight.transpose(1, 2).flatten(1, 2)
        y = nn.functional.conv3d(folded, weight, stride=self.stride, padding=self.kernel // 2)
        return y.view(n, frames, *y.shape[1:])


class NormRelu4d(nn.Module):
    """Batch normalisation over [N, T, C, D, H, W], then ReLU."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm3d(channels)

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.norm(x.flatten(0, 1))).view(x.shape)


def boxes(x: Tensor, axes: int) -> Tensor:
    """[N, 3 C]: means over all of the last axes, over their middle half and over their middle quarter.

    The lesion lies in the middle: the three tell its core from its rim and from what is around it.
    """
    means = []
    for part in (1, 2, 4):
        box = x
        for axis in range(-axes, 0):
            size = x.shape[axis] // part
            box = box.narrow(axis, (x.shape[axis] - size) // 2, size)
        means.append(box.mean(tuple(range(-axes, 0))))
    return torch.cat(means, 1)


def spatial_contrasts(axes: int) -> list[Tensor]:
    """3-tap kernels over `axes` axes: a smooth mean, a difference along each axis, and middle minus surroundings."""

    def outer(taps: list[Tensor]) -> Tensor:
        kernel = taps[0]
        for other in taps[1:]:
            kernel = kernel[..., None] * other
        return kernel

    smooth = torch.tensor([0.25, 0.5, 0.25])
    difference = torch.tensor([-0.5, 0.0, 0.5])
    mean = outer([smooth] * axes)
    along = [outer([difference if a == axis else smooth for a in range(axes)]) for axis in range(axes)]
    surroundings = -mean.clone()
    surroundings[(1,) * axes] += 1
    return [mean, *along, surroundings]


def start_at(weight: Tensor, kernels: list[Tensor], noise: float = 0.1) -> None:
    """Starts a first layer's kernels [out, 1, ...] near the given ones, each with its negative where there is room.

    Training on a few hundred exams stays close to where it starts. What tells lesions apart are differences, in
    time and in space, and a network that starts with random kernels does not find those of small contrast.
    """
    with torch.no_grad():
        for j in range(weight.shape[0]):
            kernel = kernels[j % len(kernels)] * (1 if (j // len(kernels)) % 2 == 0 else -1)
            weight[j, 0] = kernel / kernel.norm() + noise * torch.randn(kernel.shape) / kernel.numel() ** 0.5


def start_as_passage(weight: Tensor, noise: float = 0.3) -> None:
    """Starts a second layer's kernels [out, in, (kT,) ...] as passing on what the first has found, smoothed in space;
    over time the first half of them looks at the first frame (the rise), the second at the last (what follows)."""
    out, channels = weight.shape[:2]
    mean = spatial_contrasts(3 if weight.dim() != 4 else 2)[0]
    with torch.no_grad():
        fan_in = weight[0].numel()
        weight.copy_(noise * torch.randn(weight.shape) / fan_in**0.5)
        for j in range(out):
            if weight.dim() == 6:
                if j * 2 < out:
                    weight[j, j % channels, 0] += mean
                else:
                    weight[j, j % channels, -1] += mean
            else:
                weight[j, j % channels] += mean


class Head(nn.Module):
    """Logits from pooled features, brought to one scale first, and the clinical data."""

    def __init__(self, features: int, clinical: int, drop: float) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(features, affine=False)
        self.drop = nn.Dropout(drop)
        self.fc = nn.Linear(features + clinical, 2)
        nn.init.zeros_(self.fc.weight)

    def forward(self, features: Tensor, clinical: Tensor | None) -> Tensor:
        features = self.drop(self.norm(features))
        return self.fc(features if clinical is None else torch.cat([features, clinical], 1))


class Net4D(nn.Module):
    """Two 4D convolutions; with `clinical` > 0 the hybrid."""

    def __init__(self, clinical: int = 0, widths: tuple[int, int] = (16, 32), drop: float = 0.3) -> None:
        super().__init__()
        first, second = widths
        self.conv1, self.norm1 = Conv4d(1, first, stride=2), NormRelu4d(first)
        self.conv2, self.norm2 = Conv4d(first, second), NormRelu4d(second)
        space = spatial_contrasts(3)
        change, level = torch.tensor([-1.0, 0.0, 1.0]), torch.tensor([1.0, 1.0, 1.0])
        kernels = [time[:, None, None, None] * kernel for time in (change, level) for kernel in space]
        start_at(self.conv1.weight, kernels)
        start_as_passage(self.conv2.weight)
        nn.init.ones_(self.norm2.norm.bias)
        self.clinical = clinical
        self.head = Head(3 * second, clinical, drop)

    def features(self, image: Tensor) -> Tensor:
        y = self.norm1(self.conv1(image.transpose(1, 2)))
        return boxes(self.norm2(self.conv2(y)).mean(1), 3)

    def forward(self, image: Tensor, clinical: Tensor) -> Tensor:
        return self.head(self.features(image), clinical if self.clinical else None)


class Net3D(nn.Module):
    """Two 3D convolutions over one phase."""

    def __init__(self, widths: tuple[int, int] = (16, 32), drop: float = 0.3) -> None:
        super().__init__()
        first, second = widths
        self.conv1, self.norm1 = nn.Conv3d(1, first, 3, 2, 1, bias=False), nn.BatchNorm3d(first)
        self.conv2, self.norm2 = nn.Conv3d(first, second, 3, 1, 1, bias=False), nn.BatchNorm3d(second)
        start_at(self.conv1.weight, spatial_contrasts(3))
        start_as_passage(self.conv2.weight)
        nn.init.ones_(self.norm2.bias)
        self.head = Head(3 * second, 0, drop)

    def forward(self, image: Tensor, clinical: Tensor) -> Tensor:
        y = torch.relu(self.norm1(self.conv1(image[:, :, EARLY])))
        return self.head(boxes(torch.relu(self.norm2(self.conv2(y))), 3), None)


class Net2D(nn.Module):
    """Two 2D convolutions over the middle axial slice of one phase."""

    def __init__(self, widths: tuple[int, int] = (16, 32), drop: float = 0.3) -> None:
        super().__init__()
        first, second = widths
        self.conv1, self.norm1 = nn.Conv2d(1, first, 3, 2, 1, bias=False), nn.BatchNorm2d(first)
        self.conv2, self.norm2 = nn.Conv2d(first, second, 3, 1, 1, bias=False), nn.BatchNorm2d(second)
        start_at(self.conv1.weight, spatial_contrasts(2))
        start_as_passage(self.conv2.weight)
        nn.init.ones_(self.norm2.bias)
        self.head = Head(3 * second, 0, drop)

    def forward(self, image: Tensor, clinical: Tensor) -> Tensor:
        middle = image[:, :, EARLY, image.shape[3] // 2]
        y = torch.relu(self.norm1(self.conv1(middle)))
        return self.head(boxes(torch.relu(self.norm2(self.conv2(y))), 2), None)


class ClinicalOnly(nn.Module):
    """Logistic regression."""

    def __init__(self, clinical: int) -> None:
        super().__init__()
        self.head = nn.Linear(clinical, 2)

    def forward(self, image: Tensor, clinical: Tensor) -> Tensor:
        return self.head(clinical)
