from __future__ import annotations

import itertools
import math
import re

import pytest

from lepton_engine.compression import Recipe
from lepton_engine.compression.comparison import COLUMNS, Comparison
from lepton_engine.compression.labels import Point, places, wrapped
from lepton_engine.compression.picture import ORIGINAL_COLOUR, pareto
from lepton_engine.compression.rows import CompareRow, parents, with_gains
from lepton_engine.errors import InputError
from tests.engine.tiny_variants import row

FAILED = CompareRow.failure({"name": "tiny-head", "recipe": "int4", "metric": "weighted F1",
                             "host": "a machine", "date": "2026-11-23"}, "It does not <fit>.")
ROWS = (
    row("int8", latency_ms=1.0, value=0.898),
    row("prune-weights:0.5", latency_ms=1.99, texts_per_second=404, value=0.88, decision="refused"),
    row("prune-weights:0.5+int8", latency_ms=0.99, texts_per_second=810, value=0.87,
        decision="refused"),
    row("low-rank:0.5", latency_ms=3.0, texts_per_second=300, value=0.95, decision="undecidable"),
    FAILED,
)


@pytest.fixture(scope="module")
def comparison() -> Comparison:
    return Comparison.of(ROWS)


@pytest.mark.parametrize(("recipe", "expected"), [
    ("int8", ["original"]),
    ("low-rank:0.6+int8", ["int8", "low-rank:0.6"]),
    ("prune-neurons:0.5+distil:2+int8", ["int8", "prune-neurons:0.5+distil:2"]),
    ("prune-neurons:0.5+low-rank:0.6+distil:2", ["low-rank:0.6+distil:2",
                                                 "prune-neurons:0.5+distil:2"]),
])
def test_parents_lack_one_step_and_recovery_goes_with_the_last_loss(
        recipe: str, expected: list[str]) -> None:
    assert [str(parent) for _, parent in parents(Recipe.parse(recipe))] == expected


def test_a_step_that_gains_less_than_5_percent_is_called_that() -> None:
    gains = {r.recipe: r.gain for r in with_gains(ROWS)}
    assert gains["int8"] == ""
    assert "prune-weights:0.5 gains less than 5 % in speed over original" in \
        gains["prune-weights:0.5"]
    # 1.01 times int8 alone, but twice the speed without the int8 step
    assert gains["prune-weights:0.5+int8"].count("gains less than 5 %") == 1
    assert "over int8 (1.01 times on one text, 1.01 times on many)" in \
        gains["prune-weights:0.5+int8"]


def test_a_step_is_not_judged_without_its_parent() -> None:
    alone = with_gains([row("low-rank:0.6+int8", latency_ms=2.0)])
    assert alone[0].gain == ""


def test_frame_has_the_original_first_and_the_losers_in_it(comparison: Comparison) -> None:
    frame = comparison.to_frame()
    assert tuple(frame.columns) == COLUMNS
    assert list(frame["recipe"]) == ["original", *(r.recipe for r in ROWS)]
    assert frame.loc[0, "latency_ms"] == 2.0
    assert frame.loc[1, "speedup"] == 2.0
    assert math.isnan(frame.loc[5, "value"])
    assert frame.loc[5, "reason"] == "It does not <fit>."
    assert frame["size_bytes"].isna().tolist() == [False] * 5 + [True]


def test_text_has_every_recipe_and_reason(comparison: Comparison) -> None:
    text = comparison.to_text()
    for wanted in (*(r.recipe for r in ROWS), "It does not <fit>.", "gains less than 5 %",
                   "n = 4,000", "a machine"):
        assert wanted in text


def test_pareto_line_is_what_nothing_beats(comparison: Comparison) -> None:
    assert pareto(comparison) == [(0.99, 0.87), (1.0, 0.898), (2.0, 0.9), (3.0, 0.95)]


def test_figure_shows_each_recipe_with_its_interval_on_a_clear_ground(
        comparison: Comparison) -> None:
    figure = comparison.to_figure()
    names = {note.text.replace("<br>", "") for note in figure.layout.annotations}
    assert names == {"original", *(r.recipe for r in ROWS if not r.failed)}
    assert figure.layout.paper_bgcolor == figure.layout.plot_bgcolor == "rgba(0,0,0,0)"
    traces = {trace.name: trace for trace in figure.data}
    assert set(traces) == {"Pareto line", "passed", "refused", "undecidable", "original"}
    assert traces["original"].marker.color == ORIGINAL_COLOUR
    assert traces["original"].x[0] == 2.0
    passed = traces["passed"]
    assert (passed.x[0], passed.y[0]) == (1.0, 0.898)
    # loses 0.2 points, -0.1 to 0.5: 0.3 points better at best, 0.3 worse at worst
    assert passed.error_y.array[0] == pytest.approx(0.003)
    assert passed.error_y.arrayminus[0] == pytest.approx(0.003)
    smaller, larger = passed.marker.size[0], traces["original"].marker.size[0]
    assert larger / smaller == pytest.approx(math.sqrt(90 / 23))
    black = re.compile(r'"(#000|#000000|black|rgb\(0, ?0, ?0\))"')
    assert not black.search(figure.to_json().partition('"template"')[0])


def test_figure_colours_are_those_of_the_page() -> None:
    from domains.shared.figures import COLOURS, TEXT
    from lepton_engine.compression import picture

    assert COLOURS["original"] == picture.ORIGINAL_COLOUR
    assert COLOURS["compressed"] == picture.COMPRESSED_COLOUR
    assert picture.TEXT == TEXT


def test_page_needs_nothing_from_anywhere(comparison: Comparison) -> None:
    page = comparison.to_html()
    own = re.sub(r"<script.*?</script>", "", page, flags=re.S)
    assert not re.search(r'(src|href)\s*=', own)
    assert not re.search(r'<script[^>]+src=', page)
    assert "Plotly.newPlot" in page
    assert "It does not &lt;fit&gt;." in own
    for wanted in ("prune-weights:0.5+int8", "4,000 texts", "a machine", "lepton 0.1.0"):
        assert wanted in own


def test_nothing_measured_is_said() -> None:
    empty = Comparison.of([FAILED])
    assert "No recipe could be measured" in empty.to_figure().to_json()
    assert list(empty.to_frame()["recipe"]) == ["int4"]
    assert "It does not" in empty.to_html()


def test_rows_of_two_tasks_are_no_comparison() -> None:
    with pytest.raises(InputError, match="one task"):
        Comparison.of([row("int8"), row("int4", metric="accuracy")])
    with pytest.raises(InputError, match="at least one"):
        Comparison.of([])


def test_names_of_points_stand_apart() -> None:
    points = [Point(f"prune-neurons:0.{i}", 300 + 8 * (i % 4), 200 + 9 * (i // 4), 12)
              for i in range(10)]
    boxes = []
    for point, (right, up) in zip(points, places(points, 900, 410), strict=True):
        wide = 6.1 * len(point.text)
        left = point.x + right - (0 if right > 0 else wide if right < 0 else wide / 2)
        bottom = point.y + up - (0 if up > 0 else 14 if up < 0 else 7)
        boxes.append((left, bottom, wide, 14.0))
    shared = sum(max(0.0, min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0]))
                 * max(0.0, min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1]))
                 for a, b in itertools.combinations(boxes, 2))
    assert shared < 0.05 * sum(box[2] * box[3] for box in boxes)


def test_long_recipes_are_broken_before_a_plus() -> None:
    lines = wrapped("prune-heads:0.25+prune-neurons:0.25+distil:2+int8").split("<br>")
    assert lines == ["prune-heads:0.25", "+prune-neurons:0.25", "+distil:2+int8"]
    assert wrapped("int8") == "int8"


def test_numbers_have_three_digits_also_where_rounding_carries() -> None:
    rows = [row(latency_ms=999.6, original_latency_ms=1234.5, texts_per_second=99.96)]
    text = Comparison.of(rows).to_text()
    assert "1,000 " in text
    assert " 1,230 " in text
    assert " 100 " in text
