"""Panels and boards of the suite, with the same looks everywhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from grafana_foundation_sdk.builders import bargauge, common, dashboard, prometheus, stat, text, timeseries
from grafana_foundation_sdk.models import common as looks
from grafana_foundation_sdk.models.dashboard import DataSourceRef, VariableRefresh

_SOURCE = DataSourceRef(type_val="prometheus", uid="$datasource")
_HEIGHT = 8
_WIDTH = 12  # of 24

Queries = Mapping[str, str]  # legend -> query; $suite stands for the selector of a suite


def _query(legend: str, expression: str) -> prometheus.Dataquery:
    asked = expression.replace("$suite", 'namespace=~"$namespace"')
    made = prometheus.Dataquery().expr(asked).legend_format(legend).range()
    return made.exemplar(True) if "_bucket{" in asked else made


def _dressed(panel: Any, title: str, meaning: str, queries: Queries, unit: str, width: int) -> Any:
    panel.title(title).description(meaning).unit(unit).datasource(_SOURCE).height(_HEIGHT).span(width)
    for number, (legend, expression) in enumerate(queries.items()):
        panel.with_target(_query(legend, expression).ref_id(chr(ord("A") + number)))
    return panel


def curve(title: str, meaning: str, queries: Queries, *, unit: str = "short", width: int = _WIDTH) -> Any:
    """Values over time."""
    panel = timeseries.Panel().line_width(1).fill_opacity(8).min(0).show_points(looks.VisibilityMode.NEVER)
    return _dressed(panel, title, meaning, queries, unit, width)


def stack(title: str, meaning: str, queries: Queries, *, unit: str = "short", width: int = _WIDTH) -> Any:
    """Parts of a whole over time."""
    stacking = common.StackingConfig().mode(looks.StackingMode.NORMAL).group("A")
    panel = timeseries.Panel().line_width(0).fill_opacity(70).min(0).stacking(stacking)
    return _dressed(panel.show_points(looks.VisibilityMode.NEVER), title, meaning, queries, unit, width)


def now(title: str, meaning: str, queries: Queries, *, unit: str = "short", width: int = 4) -> Any:
    """The last value, in large."""
    return _dressed(stat.Panel(), title, meaning, queries, unit, width).height(4)


def bars(title: str, meaning: str, queries: Queries, *, unit: str = "short", width: int = _WIDTH) -> Any:
    """The last values, as bars."""
    panel = bargauge.Panel().orientation(looks.VizOrientation.HORIZONTAL)
    return _dressed(panel, title, meaning, queries, unit, width)


def note(title: str, words: str) -> Any:
    """Words for the reader."""
    return text.Panel().title(title).content(words).height(3).span(24)


def board(uid: str, title: str, question: str, panels: Sequence[Any]) -> dashboard.Dashboard:
    """A dashboard that answers a question."""
    made = (
        dashboard.Dashboard(f"Data Ingestor: {title}")
        .uid(f"ingestor-{uid}")
        .description(question)
        .tags(["data-ingestor"])
        .readonly()
        .time("now-3h", "now")
        .refresh("30s")
        .timezone("browser")
        .link(
            dashboard.DashboardLink("Data Ingestor")
            .type("dashboards")  # type: ignore[arg-type]
            .tags(["data-ingestor"])
            .as_dropdown(True)
            .keep_time(True)
            .include_vars(True)
        )
        .with_variable(dashboard.DatasourceVariable("datasource").label("Prometheus").type("prometheus"))
        .with_variable(
            dashboard.QueryVariable("namespace")
            .label("Namespace")
            .query('label_values(up{job="ingestor"}, namespace)')
            .datasource(_SOURCE)
            .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
            .include_all(True)
            .all_value(".*")  # also where there is no such label
        )
    )
    for panel in panels:
        made.with_panel(panel)
    return made
