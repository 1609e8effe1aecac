"""PyTorch models as users write them, small, with batch norms that do something."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Residual(nn.Module):
    def __init__(self, channels: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, 2 * channels, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(2 * channels)
        self.conv2 = nn.Conv2d(2 * channels, 2 * channels, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(2 * channels)
        self.shortcut = nn.Conv2d(channels, 2 * channels, 1, stride)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        out += self.shortcut(x)
        return self.relu(out)


class ResNet(nn.Module):
    """Residual blocks, an even stride that TFLite's SAME pads otherwise, pooling as torchvision does it."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(1, 4, 5, 2, 2)
        self.bn = nn.BatchNorm2d(4)
        self.pool = nn.MaxPool2d(3, 2, 1)
        self.blocks = nn.Sequential(Residual(4), Residual(8, 2))
        self.head = nn.Linear(16, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.blocks(self.pool(F.relu(self.bn(self.stem(x)))))
        return self.head(F.adaptive_avg_pool2d(x, 1).flatten(1))


class Separable(nn.Module):
    """Depthwise-separable, RELU6, normalised inside, a mean at the end."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor([0.3]).view(1, 1, 1))
        self.register_buffer("std", torch.tensor([0.2]).view(1, 1, 1))
        layers: list[nn.Module] = [nn.Conv2d(1, 6, 3, 2, 1), nn.BatchNorm2d(6), nn.ReLU6()]
        for stride, dilation in ((1, 1), (2, 1), (1, 2)):
            layers += [
                nn.Conv2d(6, 6, 3, stride, dilation, dilation, groups=6, bias=False),
                nn.BatchNorm2d(6),
                nn.ReLU6(inplace=True),
                nn.Conv2d(6, 6, 1, bias=False),
                nn.BatchNorm2d(6),
                nn.ReLU6(inplace=True),
            ]
        self.layers = nn.Sequential(*layers)
        self.head = nn.Linear(6, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = (x - self.mean) / self.std
        return self.head(self.layers(x).mean((2, 3)))


class Perceptron(nn.Module):
    """Rows only, batch norm after and before a layer, a softmax at the end."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Flatten(),
            nn.BatchNorm1d(784),
            nn.Linear(784, 24, bias=False),
            nn.BatchNorm1d(24),
            nn.ReLU(),
            nn.Dropout(0.5),
            nn.Linear(24, 10),
        )

    def forward(self, x: Tensor) -> Tensor:
        return F.softmax(self.layers(x), dim=1)


class Flattening(nn.Module):
    """LeNet: a flattened image of many channels before the classifier, hyperbolic tangents."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(1, 4, 5), nn.Conv2d(4, 6, 5)
        self.pool = nn.AvgPool2d(2)
        self.fc1, self.fc2 = nn.Linear(96, 20), nn.Linear(20, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.pool(torch.tanh(self.conv1(x)))
        x = self.pool(torch.tanh(self.conv2(x)))
        x = x.view(x.size(0), -1)
        return self.fc2(torch.relu(self.fc1(F.relu(x))))


class SqueezeExcite(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.down, self.up = nn.Conv2d(channels, 2, 1), nn.Conv2d(2, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        scale = F.adaptive_avg_pool2d(x, 1)
        return x * F.hardsigmoid(self.up(F.relu(self.down(scale))))


class MobileNetV3Like(nn.Module):
    """Hard-swish, squeeze and excitation, SiLU, asymmetric padding, a concatenation with its own input."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.ZeroPad2d((0, 1, 0, 1)), nn.Conv2d(1, 4, 3, 2), nn.Hardswish())
        self.excite = SqueezeExcite(4)
        self.branch = nn.Sequential(nn.Conv2d(4, 4, (1, 3), padding=(0, 1)), nn.SiLU(), nn.BatchNorm2d(4))
        self.shrink = nn.AvgPool2d(2)
        self.head = nn.Linear(9, 10)

    def forward(self, x: Tensor) -> Tensor:
        small = self.shrink(x)
        x = self.excite(self.stem(x))
        x = torch.cat((x, self.branch(x) - 0.5 * x, small), dim=1)
        return self.head(x.mean(dim=(-1, -2)))


class Decoder(nn.Module):
    """A row made an image again, transposed convolution, nearest upsampling, slices, a permutation."""

    def __init__(self) -> None:
        super().__init__()
        self.encode = nn.Linear(784, 3 * 4 * 4)
        self.up = nn.ConvTranspose2d(3, 4, 4, 2, 1)
        self.same = nn.ConvTranspose2d(4, 4, 3, 2, padding=1, output_padding=1)
        self.valid = nn.ConvTranspose2d(2, 3, 2, 2)
        self.head = nn.Linear(3 * 16 * 16, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.encode(torch.flatten(x, 1)).reshape(-1, 3, 4, 4)
        x = self.same(F.leaky_relu(self.up(x), 0.1))
        first, second = x.chunk(2, dim=1)
        x = F.interpolate(first * torch.sigmoid(second), scale_factor=2)
        x = self.valid(x[:, :, 8:24:2, 4:12].transpose(2, 3))
        return self.head(x.permute(0, 1, 3, 2).flatten(1))


ARCHITECTURES = (ResNet, Separable, Perceptron, Flattening, MobileNetV3Like, Decoder)


def made(architecture: type[nn.Module], seed: int = 0) -> nn.Module:
    """The model with random weights and random batch-norm statistics, in evaluation mode."""
    torch.manual_seed(seed)
    module = architecture()
    for layer in module.modules():
        if isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d):
            nn.init.normal_(layer.running_mean, 0.0, 0.5)
            nn.init.uniform_(layer.running_var, 0.3, 2.0)
            nn.init.uniform_(layer.weight, 0.5, 1.5)
            nn.init.normal_(layer.bias, 0.0, 0.3)
    return module.eval()
