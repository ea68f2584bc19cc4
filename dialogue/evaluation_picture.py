"""An evaluation as a picture in a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from dialogue.evaluation import Bin, Evaluation, Score, Share
from dialogue.picture import Brush

MOST_CONFUSIONS = 10
LONGEST_NAME, BAR = 40, 20
GOOD, FAIR = 0.9, 0.7


def evaluation_picture(evaluation: Evaluation, brush: Brush) -> str:
    """What was read rightly, by intent and by slot, what was confused, and what confidence is worth."""
    parts = [
        _summary(evaluation, brush),
        _scores("intents", evaluation.intents, brush),
        _scores("slots", (*evaluation.slots, evaluation.all_slots), brush) if evaluation.slots else (),
        _confusions(evaluation, brush),
        _reliability(evaluation, brush),
    ]
    return "\n\n".join("\n".join(lines) for lines in map(list, parts) if lines)


def percent(share: float | None) -> str:
    """A share as people read it; a dash where there is none."""
    return "-" if share is None else f"{share:.1%}".replace("%", " %")


def share_words(share: Share) -> str:
    """A share, what it was counted from, and where it lies with 95 % confidence."""
    if not share.count:
        return "no examples"
    low, high = share.interval
    return f"{percent(share.share)}  ({share.right} of {share.count}; 95 %: {low * 100:.1f} to {high * 100:.1f})"


def summary_rows(evaluation: Evaluation) -> Iterator[tuple[str, str]]:
    """What is told of the whole, with its name."""
    how = f"{evaluation.folds}-fold cross-validation" if evaluation.folds else "test files"
    yield "examples", f"{evaluation.exact.count}, {how}"
    yield "exact match", share_words(evaluation.exact)
    yield "intent right", share_words(evaluation.intent)
    if evaluation.out_of_scope.count:
        yield "out of scope left alone", share_words(evaluation.out_of_scope)
    yield "read as no request", str(evaluation.nothing)
    yield "read as several", str(evaluation.several)
    yield "held, negated or excepted", str(evaluation.held)
    error = evaluation.calibration_error
    yield "calibration error", "-" if error is None else f"{error:.3f}"
    slowest = evaluation.slowest
    yield "milliseconds a line", f"median {evaluation.median_ms:.2f}, slowest {slowest.milliseconds:.2f}"


def _summary(evaluation: Evaluation, brush: Brush) -> Iterator[str]:
    rows = list(summary_rows(evaluation))
    wide = max(len(name) for name, _ in rows)
    for name, value in rows:
        strong = ("bold", _color(evaluation.exact.share)) if name == "exact match" else ()
        yield f"{brush.paint(name.ljust(wide), 'dim')}  {brush.paint(value, *strong)}"
    text = _shortened(evaluation.slowest.text, brush.width - wide - 14)
    yield f"{' ' * wide}  {brush.paint(f'slowest: {text}', 'dim')}"


def _scores(title: str, scores: Sequence[Score], brush: Brush) -> Iterator[str]:
    wide = max(len(title), *(min(LONGEST_NAME, len(score.name)) for score in scores))
    heads = "".join(head.rjust(11) for head in ("precision", "recall", "F1", "support"))
    yield brush.paint(title.ljust(wide), "bold") + brush.paint(heads, "dim")
    for score in scores:
        shares = "".join(percent(one).rjust(11) for one in (score.precision, score.recall))
        f1 = brush.paint(percent(score.f1).rjust(11), _color(score.f1))
        name = _shortened(score.name, wide).ljust(wide)
        yield f"{brush.paint(name)}{shares}{f1}{str(score.support).rjust(11)}"


def _confusions(evaluation: Evaluation, brush: Brush) -> Iterator[str]:
    wrong = evaluation.confusions
    if not wrong:
        return
    yield f"{brush.paint('confusions', 'bold')}  {brush.paint('meant → read, most frequent first', 'dim')}"
    for one in wrong[:MOST_CONFUSIONS]:
        pair = f"{brush.paint(one.meant, 'green')} {brush.paint('→')} {brush.paint(one.read, 'red')}"
        yield f"{str(one.count).rjust(5)}  {pair}"
        yield f"       {brush.paint(_shortened(one.texts[0], brush.width - 7), 'dim')}"
    if len(wrong) > MOST_CONFUSIONS:
        rest = sum(one.count for one in wrong[MOST_CONFUSIONS:])
        yield brush.paint(f"       and {len(wrong) - MOST_CONFUSIONS} other pairs, {rest} examples", "dim")


def _reliability(evaluation: Evaluation, brush: Brush) -> Iterator[str]:
    bins = [one for one in evaluation.bins if one.count]
    if not bins:
        return
    title = "confidence of readings".ljust(24)
    heads = "".join(head.rjust(9) for head in ("said", "right", "count"))
    yield brush.paint(title, "bold") + brush.paint(heads, "dim")
    for one in bins:
        yield _reliability_line(one, brush)


def _reliability_line(one: Bin, brush: Brush) -> str:
    span = f"{one.low:.1f} to {one.high:.1f}".ljust(24)
    told = "".join(column.rjust(9) for column in (percent(one.confidence), percent(one.right), str(one.count)))
    full = round(one.right * BAR)
    bar = ("#" if brush.ascii else "█") * full + ("." if brush.ascii else "░") * (BAR - full)
    return f"{brush.paint(span)}{told}  {brush.paint(bar, _color(1 - abs(one.right - one.confidence)))}"


def _color(share: float) -> str:
    return "green" if share >= GOOD else "yellow" if share >= FAIR else "red"


def _shortened(text: str, width: int) -> str:
    return text if len(text) <= width else text[: max(1, width - 1)] + "…"
