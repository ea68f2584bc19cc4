"""Why an utterance was read as it was: every word's owner and cost, and where the runners-up lost."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from dialogue.picture import SEGMENT_COLORS, Brush, columns, entity_words, utterance_lines
from dialogue.types import Request, Segment, Utterance

_NARROW = 24


@dataclass(frozen=True, slots=True)
class Difference:
    """Stretches of one place that two readings own differently, and what each pays there."""

    ours: tuple[Segment, ...]
    theirs: tuple[Segment, ...]

    @property
    def dearer(self) -> float:
        """How much more the other reading pays."""
        return sum(one.cost for one in self.theirs) - sum(one.cost for one in self.ours)


def differences(best: Utterance, other: Utterance) -> list[Difference]:
    """Where two readings of the same words part, and where they meet again."""
    bounds = {one.end for one in best.segments} & {one.end for one in other.segments}
    same = {_key(one) for one in best.segments} & {_key(one) for one in other.segments}
    found: list[Difference] = []
    start = 0
    for end in sorted(bounds):
        ours = tuple(one for one in best.segments if start <= one.start and one.end <= end)
        theirs = tuple(one for one in other.segments if start <= one.start and one.end <= end)
        start = end
        if any(_key(one) not in same for one in (*ours, *theirs)):
            found.append(Difference(ours, theirs))
    return found


def _key(segment: Segment) -> tuple[object, ...]:
    return segment.kind, segment.label, segment.start, segment.end, segment.meant, round(segment.cost, 6)


# --- as a picture -----------------------------------------------------------------------


def explanation_picture(utterance: Utterance, noise: Sequence[str], brush: Brush) -> str:
    """The cuts, a line per segment with its cost, and the runners-up; ``noise`` are the words left out."""
    return "\n".join(
        [
            *utterance_lines(utterance, brush),
            "",
            *_table(utterance, brush),
            *_noise_line(noise, brush),
            *_runner_up_lines(utterance, brush),
        ]
    )


def _table(utterance: Utterance, brush: Brush) -> Iterator[str]:
    width = max([_NARROW, *(columns(one.text) for one in utterance.segments)])
    width = min(width, brush.width // 2)
    yield brush.paint(f"  {'words':8}{'said':{width}}  {'cost':>5}  owner", "dim")
    for segment in utterance.segments:
        said = _padded(segment.text, width)
        place = f"{segment.start}-{segment.end}"
        line = f"  {place:8}{said}  {segment.cost:5.2f}  {_owner(segment, utterance.requests)}"
        yield brush.paint(line, SEGMENT_COLORS[segment.kind])
    hanging = utterance.cost - sum(one.cost for one in utterance.segments)
    if hanging > 0.005:
        yield brush.paint(f"  {'':8}{_padded('left hanging', width)}  {hanging:5.2f}", "dim")
    yield brush.paint(f"  {'':8}{_padded('together', width)}  {utterance.cost:5.2f}", "bold")


def _padded(text: str, width: int) -> str:
    """The text, cut or filled to exactly ``width`` columns."""
    while columns(text) > width:
        text = text[:-2] + "…"
    return text + " " * (width - columns(text))


def _owner(segment: Segment, requests: Sequence[Request]) -> str:
    """What owns a segment: a request with its slots, an operator by its kind, nothing."""
    if segment.kind == "unexplained":
        return "nothing explains these words"
    if segment.kind not in ("request", "fragment"):
        return f"{segment.kind} {segment.label}" if segment.kind != segment.label else segment.kind
    inside = [one for one in requests if segment.start <= one.start and one.end <= segment.end]
    slots = " ".join(f"{one.name}={entity_words(one)}" for request in inside for one in request.entities)
    read_as = f" (read as “{segment.meant}”)" if segment.meant and segment.meant != segment.text else ""
    learned = any(one.source == "learned" for one in inside)
    sure = f" learned, {inside[0].confidence:.0%} sure" if learned else ""
    return f"{segment.kind} {segment.label} {slots}{read_as}{sure}".rstrip()


def _noise_line(noise: Sequence[str], brush: Brush) -> Iterator[str]:
    if noise:
        yield brush.paint(f"  left out as sounds of thinking: {', '.join(noise)}", "dim")


def _runner_up_lines(utterance: Utterance, brush: Brush) -> Iterator[str]:
    if not utterance.runners_up:
        yield brush.paint("  no other reading that acts differently came close", "dim")
    for number, other in enumerate(utterance.runners_up, 1):
        behind = other.cost - utterance.cost
        yield ""
        yield brush.paint(f"  runner-up {number}: {behind:.2f} dearer", "bold")
        yield from ("  " + line for line in utterance_lines(other, brush))
        for difference in differences(utterance, other):
            yield brush.paint(f"    lost {difference.dearer:+.2f}: {_told(difference.theirs)}", "red")
            yield brush.paint(f"    where the best has {_told(difference.ours)}", "green")


def _told(segments: Sequence[Segment]) -> str:
    return " + ".join(f"[{one.text}] {one.label} {one.cost:.2f}" for one in segments) or "nothing"
