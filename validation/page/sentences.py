"""What the report says in words, computed from the numbers: nothing is claimed that was not measured."""

from collections.abc import Mapping

from scq.solvers import registry
from scq.validation.common.metrics import bits, finite
from scq.validation.common.seeds import CHANCE
from scq.validation.comparison.rows import Outcome, told_apart
from scq.validation.paired.methods import METHODS
from scq.validation.paired.record import Record
from scq.validation.paired.tables import last

_LEVEL = 0.005
"""Decibels that two decimals do not show."""


def headline(record: Record) -> str:
    """How exact soft convex quantization does on held-out pictures, against the others."""
    psnr = {name: value for name, test in record.tests.items() if (value := _psnr(test)) is not None}
    if "exact" not in psnr:
        return "Exact SCQ has no result on held-out pictures yet, so there is nothing to compare it with."
    pictures = record.data.get("test_pictures")
    subject = f"{pictures:,} held-out pictures ({record.data.get('name')})" if pictures else "held-out pictures"
    exact = psnr["exact"]
    against = {"relaxed": "the relaxation", "vq": "VQ", "none": "the unquantised autoencoder"}
    parts = [
        f"{_difference(exact - psnr[name])} {title} ({psnr[name]:.2f} dB)"
        for name, title in against.items()
        if name in psnr
    ]
    return f"On {subject}, exact SCQ reaches {exact:.2f} dB PSNR{': ' if parts else ''}{_list(parts)}."


def hard_sentence(record: Record) -> str | None:
    """:func:`hard_words` of the methods."""
    tests = {METHODS[name].title: test for name, test in record.tests.items()}
    soft = any(METHODS[name].convex for name in record.tests)
    return hard_words(tests, dict.fromkeys(tests, bits(record.settings)) if tests else {}, soft)


def hard_words(tests: Mapping[str, Mapping[str, float | None]], rates: Mapping[str, float], soft: bool) -> str | None:
    """What is left by the largest weight alone, and the rate of that; soft weights carry more bits.

    Args:
        tests: the test metrics with what follows from them, by whose they are.
        rates: bits a latent of each.
        soft: whether weights of some are soft.
    """
    parts = []
    for name, test in tests.items():
        psnr, entropy = finite(test.get("hard_psnr")), finite(test.get("hard_bits"))
        if psnr is not None:
            coded = f" ({entropy:.2f} by entropy)" if entropy is not None else ""
            parts.append(f"{name} {psnr:.2f} dB at {rates[name]:.3g} bits a latent{coded}")
    if not parts:
        return None
    more = " Weights as trained carry more bits than that." if soft else ""
    return f"Decoded by the largest weight alone: {_list(parts)}.{more}"


def seed_sentence(record: Record) -> str | None:
    """What one seed says, and what it does not."""
    return f"One seed ({record.settings['seed']}): {CHANCE}" if record.tests else None


def gap_sentence(record: Record) -> str | None:
    """How far the relaxation is from the exact answer at the end of the exact training, or of the relaxed one."""
    for name, run in record.soft.items():
        distance, cosine = last(run, "gap/weights_l1"), last(run, "gap/gradient_latents_cosine")
        exact, relaxed = last(run, "gap/quantization_mse_exact"), last(run, "gap/quantization_mse_relaxed")
        if distance is None or cosine is None or not exact or relaxed is None:
            continue
        return (
            f"At the end of the {name} training, the relaxation's weights lie {distance:.3g} (L1) from the exact ones "
            f"on the same latents, its quantisation error is {relaxed / exact:.3g} times the exact one, and its "
            f"gradient to the latents has cosine {cosine:.2f} with the exact gradient."
        )
    return None


def swap_sentence(record: Record) -> str | None:
    """What the other solver does to each soft model at test time."""
    psnr_of = {(pair["trained"], pair["tested"]): _psnr(pair["test"]) for pair in record.swap}
    psnr = {pair: value for pair, value in psnr_of.items() if value is not None}
    parts = []
    for trained, tested, model, solver in (
        ("exact", "relaxed", "the exactly trained model", "the relaxation"),
        ("relaxed", "exact", "the model trained with the relaxation", "the exact solver"),
    ):
        if (trained, trained) in psnr and (trained, tested) in psnr:
            change = psnr[trained, tested] - psnr[trained, trained]
            verb = "gains" if change > 0 else "loses"
            parts.append(f"{model} {verb} {abs(change):.2f} dB PSNR when tested with {solver}")
    sentence = "; ".join(parts)
    return f"{sentence[0].upper()}{sentence[1:]}." if parts else None


def backend_sentence(record: Record) -> str | None:
    """The fastest exact backends of each kind on the problem that matters most: trained latents where there are any."""
    rows = [row for row in record.rows if row.outcome == Outcome.OK and row.total and row.dtype == "float64"]
    # Of a package the settings that make it exact, and of dumped problems the last.
    last_step = max((row.step for row in rows if row.step is not None), default=None)
    rows = [row for row in rows if not row.variant and row.step in (None, last_step)]
    # Who fails is not fast, and of several tolerances the tightest counts.
    tightest = min((row.tol for row in rows if row.preset and row.tol is not None), default=None)
    rows = [row for row in rows if not row.failures and (not row.preset or row.tol == tightest)]
    family = next((f for f in ("latents", "hull", "random") if any(row.family == f for row in rows)), None)
    known = {info.name: info for info in registry.backends()}
    rows = [row for row in rows if row.family == family and row.backend in known]
    ours = [row for row in rows if known[row.backend].exact and known[row.backend].package is None]
    peers = [row for row in rows if known[row.backend].exact and known[row.backend].package is not None]
    if not ours:
        return None
    best = min(ours, key=lambda row: row.total or 0)
    where = f"On {family} (F = {best.features}, K = {best.codewords}, float64)"
    sentence = f"{where}, {best.backend} takes {best.microseconds} a column, forward and backward"
    peers = [row for row in peers if (row.features, row.codewords) == (best.features, best.codewords)]
    if peers and best.total:
        peers.sort(key=lambda row: row.total or 0)
        peer, *others = peers
        ratio = f"{(peer.total or 0) / best.total:,.1f} times as long" if told_apart(best, peer) else "not told apart"
        level = [row.backend for row in others if not told_apart(peer, row)]
        also = f", with which {_list(level)} may be level" if level else ""
        sentence += f"; the fastest exact peer, {peer.backend}{also}, {peer.microseconds}: {ratio}"
    relaxed = next((r for r in rows if r.backend == "relaxed" and r.codewords == best.codewords), None)
    if relaxed:
        sentence += f"; the relaxation {relaxed.microseconds}"
        if relaxed.weights_error_median is not None:
            sentence += f", with a median weights error of {relaxed.weights_error_median:.2g}"
    return sentence + "."


def _psnr(test: Mapping[str, float | None]) -> float | None:
    """None where it is no number: of a run that diverged nothing is said."""
    return finite(test.get("psnr"))


def _difference(decibels: float) -> str:
    if abs(decibels) < _LEVEL:
        return "level with"
    return f"{abs(decibels):.2f} dB {'above' if decibels > 0 else 'below'}"


def _list(parts: list[str]) -> str:
    return ", ".join(parts[:-1]) + (" and " if len(parts) > 1 else "") + parts[-1] if parts else ""
