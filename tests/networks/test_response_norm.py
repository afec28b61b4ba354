"""Response normalisations folded away leave ConvNeXt-V2's outputs as they were."""

from __future__ import annotations

import timm
import torch
from timm.layers import GlobalResponseNormMlp

from drishtiksha.networks.response_norm import FoldedResponseNormMlp, fold_response_norms


def test_folding_changes_no_output_whatever_the_batch_and_the_size():
    torch.manual_seed(0)
    network = timm.create_model("convnextv2_atto", num_classes=2, conv_mlp=False).eval().requires_grad_(False)
    for module in network.modules():
        if isinstance(module, GlobalResponseNormMlp):
            module.grn.weight.normal_()
            module.grn.bias.normal_()
    pictures = torch.randn(3, 3, 64, 96)
    with torch.inference_mode():
        before = network(pictures)
        after = fold_response_norms(network)(pictures)
    assert torch.allclose(before, after, atol=1e-5 * float(before.abs().max()))
    assert before.std() > 0
    assert not any(isinstance(module, GlobalResponseNormMlp) for module in network.modules())


def test_one_picture_does_not_change_what_is_seen_in_another():
    torch.manual_seed(0)
    mlp = FoldedResponseNormMlp(GlobalResponseNormMlp(8, 32, use_conv=False).requires_grad_(False))
    mlp.norm.weight.normal_()
    both = torch.randn(2, 4, 4, 8) * torch.tensor([1.0, 50.0])[:, None, None, None]
    assert torch.allclose(mlp(both)[:1], mlp(both[:1]), atol=1e-5)


def test_it_runs_in_half_precision_as_well():
    torch.manual_seed(0)
    mlp = FoldedResponseNormMlp(GlobalResponseNormMlp(8, 32, use_conv=False).requires_grad_(False))
    mlp.norm.weight.normal_()
    x = torch.randn(1, 4, 4, 8)
    wanted = mlp(x)
    mlp.fc1.bfloat16()
    mlp.fc2.bfloat16()
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.allclose(mlp(x).float(), wanted, atol=0.05)
