"""An evaluation as a page of HTML: one file with nothing from elsewhere, for light and dark screens."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from html import escape
from pathlib import Path

from dialogue.errors import ConfigurationError
from dialogue.evaluation import Bin, Confusion, Evaluation, Score
from dialogue.evaluation_picture import percent, summary_rows

SIDE, MARGIN = 300, 42
DEEPEST = 0.62
"""How strong the fullest cell of the heat map is, so that its number can still be read."""
LARGEST_DOT, SMALLEST_DOT = 9.0, 3.0
_NUMBERS = frozenset({"precision", "recall", "F1", "support", "count", "said on average", "right"})
_NUMBERED = ' class="number"'


def need_place(path: Path) -> None:
    """Refuse a file that cannot be written, before the long work begins. Errors: `ConfigurationError`."""
    if path.is_dir():
        raise ConfigurationError(f"{path}: is a folder; name a file in it, such as {path / 'picture.html'}")
    if not path.parent.is_dir():
        raise ConfigurationError(f"{path}: there is no folder {path.parent}; make it, or name another file")


def write_page(evaluation: Evaluation, path: Path) -> None:
    """Write the page. Errors: `ConfigurationError`."""
    try:
        path.write_text(page(evaluation), encoding="utf-8", errors="replace")
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be written: {error.strerror}; name another file") from error


def page(evaluation: Evaluation) -> str:
    """The whole page."""
    parts = (
        _summary(evaluation),
        _heat_map(evaluation.matrix),
        _confusions(evaluation.confusions),
        _scores("Intents", evaluation.intents),
        _scores("Slots", (*evaluation.slots, evaluation.all_slots)) if evaluation.slots else "",
        _reliability(evaluation),
    )
    body = "\n".join(filter(None, parts))
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>How well examples are read</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n<main>\n"
        f"<h1>How well examples are read</h1>\n{body}\n</main>\n</body>\n</html>\n"
    )


def _section(title: str, about: str, body: str) -> str:
    told = f'<p class="about">{about}</p>\n' if about else ""
    return f"<section>\n<h2>{title}</h2>\n{told}{body}\n</section>"


def _table(kind: str, heads: Iterable[str], rows: Iterable[str]) -> str:
    head = "".join(f'<th scope="col"{_NUMBERED if one in _NUMBERS else ""}>{one}</th>' for one in heads)
    body = "\n".join(rows)
    return (
        f'<div class="wide"><table class="{kind}">\n<thead><tr>{head}</tr></thead>\n'
        f"<tbody>\n{body}\n</tbody>\n</table></div>"
    )


# --- the whole --------------------------------------------------------------------------


def _summary(evaluation: Evaluation) -> str:
    low, high = evaluation.exact.interval
    big = (
        f'<p class="big">{percent(evaluation.exact.share)}</p>\n<p class="about">read exactly: the intent and all '
        f"slots; with 95 % confidence between {percent(low)} and {percent(high)}</p>\n"
    )
    rows = "".join(
        f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>\n" for name, value in summary_rows(evaluation)
    )
    slowest = f"<dt>slowest line</dt><dd>{escape(evaluation.slowest.text)}</dd>\n"
    return f"<section>\n{big}<dl>\n{rows}{slowest}</dl>\n</section>"


# --- confusions -------------------------------------------------------------------------


def _heat_map(matrix: Sequence[Confusion]) -> str:
    meant = sorted({one.meant for one in matrix})
    read = [*meant, *sorted({one.read for one in matrix} - set(meant))]
    cells = {(one.meant, one.read): one for one in matrix}
    rows = [_heat_row(name, read, cells) for name in meant]
    heads = ["<span>meant \\ read</span>", *(f"<span>{escape(name)}</span>" for name in read)]
    about = "Rows are what was meant, columns what was read. Point at a number for sentences."
    return _section("Confusion of intents", about, _table("heat", heads, rows))


def _heat_row(meant: str, read: Sequence[str], cells: dict[tuple[str, str], Confusion]) -> str:
    total = sum(cells[meant, name].count for name in read if (meant, name) in cells)
    told = "".join(_heat_cell(cells.get((meant, name)), total) for name in read)
    return f'<tr><th scope="row">{escape(meant)}</th>{told}</tr>'


def _heat_cell(one: Confusion | None, total: int) -> str:
    if one is None:
        return "<td></td>"
    kind = "right" if one.meant == one.read else "wrong"
    heat = DEEPEST * (one.count / total) ** 0.5  # a few of many can be seen, too
    title = "\n".join([f"{one.meant} read as {one.read}: {one.count} of {total}", *one.texts])
    return f'<td class="{kind}" style="--heat: {heat:.3f}" title="{escape(title)}">{one.count}</td>'


def _confusions(wrong: Sequence[Confusion]) -> str:
    if not wrong:
        return ""
    rows = (
        f'<tr><td class="number">{one.count}</td><td>{escape(one.meant)}</td><td>{escape(one.read)}</td>'
        f'<td class="said">{"<br>".join(map(escape, one.texts))}</td></tr>'
        for one in wrong
    )
    return _section(
        "What was read as something else", "", _table("list", ("count", "meant", "read", "such as"), rows)
    )


# --- intents and slots ------------------------------------------------------------------


def _scores(title: str, scores: Sequence[Score]) -> str:
    heads = (title.lower(), "precision", "recall", "F1", "", "support")
    return _section(title, "", _table("list", heads, map(_score_row, scores)))


def _score_row(score: Score) -> str:
    shares = "".join(
        f'<td class="number">{percent(one)}</td>' for one in (score.precision, score.recall, score.f1)
    )
    bar = f'<td><div class="bar"><div style="width: {score.f1 * 100:.1f}%"></div></div></td>'
    return (
        f'<tr><th scope="row">{escape(score.name)}</th>{shares}{bar}<td class="number">{score.support}</td></tr>'
    )


# --- confidence -------------------------------------------------------------------------


def _reliability(evaluation: Evaluation) -> str:
    bins = [one for one in evaluation.bins if one.count]
    if evaluation.calibration_error is None:
        return ""
    about = (
        "How many readings of each confidence are right in all. On the line, confidence is what it says; a larger "
        f"dot stands for more readings. Expected calibration error: {evaluation.calibration_error:.3f}."
    )
    rows = (
        f'<tr><td>{one.low:.1f} to {one.high:.1f}</td><td class="number">{percent(one.confidence)}</td>'
        f'<td class="number">{percent(one.right)}</td><td class="number">{one.count}</td></tr>'
        for one in bins
    )
    table = _table("list", ("confidence", "said on average", "right", "count"), rows)
    return _section("What confidence is worth", about, f'<div class="beside">\n{_diagram(bins)}\n{table}\n</div>')


def _diagram(bins: Sequence[Bin]) -> str:
    size = SIDE + 2 * MARGIN
    most = max(one.count for one in bins)
    shapes = [*_axes(), *(_dot(one, most) for one in bins)]
    if len(bins) > 1:
        points = " ".join(f"{_across(one.confidence):.1f},{_up(one.right):.1f}" for one in bins)
        shapes.insert(-len(bins), f'<polyline class="curve" points="{points}"/>')
    return (
        f'<svg viewBox="0 0 {size} {size}" width="{size}" height="{size}" role="img" '
        f'aria-label="Share right over confidence">\n' + "\n".join(shapes) + "\n</svg>"
    )


def _axes() -> Iterator[str]:
    for tenths in range(0, 11, 2):
        share, label = tenths / 10, f"{tenths * 10}"
        x, y = _across(share), _up(share)
        yield f'<line class="grid" x1="{x:.1f}" y1="{_up(0)}" x2="{x:.1f}" y2="{_up(1)}"/>'
        yield f'<line class="grid" x1="{_across(0)}" y1="{y:.1f}" x2="{_across(1)}" y2="{y:.1f}"/>'
        yield f'<text x="{x:.1f}" y="{_up(0) + 16:.1f}" text-anchor="middle">{label}</text>'
        yield f'<text x="{MARGIN - 6}" y="{y + 4:.1f}" text-anchor="end">{label}</text>'
    middle = MARGIN + SIDE / 2
    yield f'<line class="ideal" x1="{_across(0)}" y1="{_up(0)}" x2="{_across(1)}" y2="{_up(1)}"/>'
    yield f'<text x="{middle}" y="{SIDE + 2 * MARGIN - 6}" text-anchor="middle">confidence in %</text>'
    yield f'<text transform="translate(12 {middle}) rotate(-90)" text-anchor="middle">right in %</text>'


def _dot(one: Bin, most: int) -> str:
    radius = max(SMALLEST_DOT, LARGEST_DOT * (one.count / most) ** 0.5)
    title = f"confidence {percent(one.confidence)}: {percent(one.right)} of {one.count} right"
    place = f'cx="{_across(one.confidence):.1f}" cy="{_up(one.right):.1f}" r="{radius:.1f}"'
    return f'<circle class="dot" {place}><title>{title}</title></circle>'


def _across(share: float) -> float:
    return MARGIN + SIDE * share


def _up(share: float) -> float:
    return MARGIN + SIDE * (1 - share)


_STYLE = """
:root { color-scheme: light dark; --ground: #fcfcfa; --ink: #22252a; --quiet: #666c75; --line: #dcdfe3;
  --right: 36 128 96; --wrong: 205 82 40; --accent: #24805f; }
@media (prefers-color-scheme: dark) { :root { --ground: #16181c; --ink: #e4e6ea; --quiet: #9aa1ab;
  --line: #333840; --right: 64 176 134; --wrong: 226 104 62; --accent: #4fc096; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--ground); color: var(--ink); font: 15px/1.5 system-ui, sans-serif; }
main { max-width: 72rem; margin: 0 auto; padding: 2rem 1.25rem 4rem; }
h1 { font-size: 1.5rem; margin: 0 0 1rem; }
h2 { font-size: 1.1rem; margin: 2.5rem 0 .25rem; }
.about { color: var(--quiet); margin: 0 0 .75rem; max-width: 44rem; }
.big { font-size: 3rem; line-height: 1.1; font-weight: 600; margin: 0; color: var(--accent); }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .15rem 1.25rem; margin: 0; }
dt { color: var(--quiet); }
dd { margin: 0; overflow-wrap: anywhere; font-variant-numeric: tabular-nums; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th { font-weight: 500; text-align: left; }
.list th, .list td { padding: .3rem .9rem .3rem 0; border-bottom: 1px solid var(--line); vertical-align: top; }
.list thead th { color: var(--quiet); }
.list .number { text-align: right; }
.number { text-align: right; white-space: nowrap; }
.said { color: var(--quiet); overflow-wrap: anywhere; }
.bar { width: 8rem; height: .6rem; margin-top: .45rem; border-radius: .3rem; background: var(--line); }
.bar div { height: 100%; border-radius: .3rem; background: var(--accent); }
.heat td { min-width: 2.6rem; height: 2.2rem; padding: 0 .4rem; text-align: center;
  border: 1px solid var(--line); }
.heat tbody th { padding-right: .75rem; white-space: nowrap; text-align: right; }
.heat thead th { vertical-align: bottom; padding: 0 0 .4rem; }
.heat thead th + th span { writing-mode: vertical-rl; transform: rotate(180deg); white-space: nowrap;
  display: block; margin: 0 auto; }
.heat thead th:first-child { color: var(--quiet); padding-right: .75rem; text-align: right; }
.heat .right { background: rgb(var(--right) / var(--heat)); }
.heat .wrong { background: rgb(var(--wrong) / var(--heat)); }
.beside { display: flex; flex-wrap: wrap; gap: 1.5rem; align-items: center; }
svg { max-width: 100%; height: auto; }
svg text { fill: var(--quiet); font-size: 11px; }
.grid { stroke: var(--line); }
.ideal { stroke: var(--quiet); stroke-dasharray: 4 4; }
.curve { fill: none; stroke: var(--accent); stroke-width: 1.5; }
.dot { fill: var(--accent); fill-opacity: .85; }
@media (max-width: 40rem) { dl { grid-template-columns: 1fr; } dd { margin-bottom: .4rem; } }
"""
