"""Drawn problems as hard as users may have them: no answer of ``active_set`` without a certificate."""

import os

import pytest
import torch
from drawn import CODEBOOKS, LATENTS, no_answer_without_a_certificate
from hypothesis import given, settings
from hypothesis import strategies as st

HARD = {
    "F": st.one_of(st.integers(1, 12), st.sampled_from([31, 64, 128, 512])),
    "K": st.one_of(st.integers(1, 20), st.sampled_from([33, 64, 150, 400])),
    "log_lam": st.floats(-6, 4),
    "log_scale": st.floats(-4, 4),
    "codebook": st.sampled_from(list(CODEBOOKS)),
    "latents": st.sampled_from(list(LATENTS)),
    "dtype": st.sampled_from([torch.float32, torch.float64]),
    "seed": st.integers(0, 2**31),
}


@given(**HARD)
@settings(max_examples=300, derandomize=True, deadline=None, database=None)
def test_no_answer_without_a_certificate(**drawn: object) -> None:
    no_answer_without_a_certificate(**drawn)


@pytest.mark.nightly
@pytest.mark.timeout(3600)
@given(**HARD)
@settings(max_examples=int(os.environ.get("SCQ_EXAMPLES", "10000")), deadline=None, database=None)
def test_no_answer_without_a_certificate_in_ten_thousand_problems(**drawn: object) -> None:
    no_answer_without_a_certificate(**drawn)
