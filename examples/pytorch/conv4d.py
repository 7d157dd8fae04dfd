"""A convolution over four axes (T, D, H, W), which PyTorch has no module for.

It is a loop of 3D convolutions, one for each tap and frame, and trains as it is. Exported to ONNX it is one
that sentinode recognises and runs as a single convolution (docs/networks.md).
"""
import torch
from torch import nn
from torch.nn import functional as F


class Conv4d(nn.Module):
    """x [N, C, T, D, H, W] -> [N, out_channels, T', D', H', W'].

    kernel_size, stride, padding and dilation are one number, or four in the order T, D, H, W.
    """

    def __init__(self, in_channels, out_channels, kernel_size, stride=1, padding=0, dilation=1, groups=1, bias=True):
        super().__init__()
        four = lambda v: (v,) * 4 if isinstance(v, int) else tuple(v)
        kernel, self.stride, self.padding, self.dilation = map(four, (kernel_size, stride, padding, dilation))
        self.groups = groups
        self.weight = nn.Parameter(torch.empty(out_channels, in_channels // groups, *kernel))
        self.bias = nn.Parameter(torch.zeros(out_channels)) if bias else None
        nn.init.kaiming_uniform_(self.weight, a=5**0.5)

    def forward(self, x):
        taps, frames = self.weight.shape[2], x.shape[2]
        stride, padding, dilation = self.stride[0], self.padding[0], self.dilation[0]
        outputs = (frames + 2 * padding - dilation * (taps - 1) - 1) // stride + 1
        result = []
        for t in range(outputs):
            total = None
            for tap in range(taps):
                source = t * stride + tap * dilation - padding
                if 0 <= source < frames:
                    part = F.conv3d(x[:, :, source], self.weight[:, :, tap], None, self.stride[1:],
                                    self.padding[1:], self.dilation[1:], self.groups)
                    total = part if total is None else total + part
            result.append(total)
        y = torch.stack(result, 2)
        return y if self.bias is None else y + self.bias.view(1, -1, 1, 1, 1, 1)


def export(model, example, path):
    """Writes `model` with an open batch; `example` is one input of it, whose T, D, H, W stay fixed."""
    model.eval()
    torch.onnx.export(model, (example,), path, input_names=["x"], output_names=["y"], dynamo=False,
                      opset_version=17, dynamic_axes={"x": {0: "n"}, "y": {0: "n"}})
