import "uplot/dist/uPlot.min.css";
import { useEffect, useLayoutEffect, useRef, useState } from "react";
import UPlot from "uplot";
import type { TimeChartProps } from "./TimeChart";
import classes from "./TimeChart.module.css";

interface Pointed {
  readonly index: number;
  readonly left: number;
}

/** The drawn chart; loaded with the first chart shown. It reads its colours when it is created. */
export default function TimeChartCanvas(props: TimeChartProps & { readonly height: number }) {
  const { times, series, kind, height, format, formatMoment } = props;
  const box = useRef<HTMLDivElement>(null);
  const plot = useRef<UPlot | null>(null);
  const latest = useRef(props);
  latest.current = props;
  const [pointed, setPointed] = useState<Pointed | null>(null);
  const shape = `${kind} ${height} ${series.map(({ label }) => label).join(" ")}`;

  // biome-ignore lint/correctness/useExhaustiveDependencies: `shape` stands for what the chart is made of.
  useLayoutEffect(() => {
    const element = box.current;
    if (element === null) return;
    const made = new UPlot(
      options(latest.current, element, element.clientWidth, setPointed),
      dataOf(latest.current),
      element,
    );
    plot.current = made;
    const observer = new ResizeObserver(() => {
      if (element.clientWidth > 0)
        made.setSize({ width: element.clientWidth, height: latest.current.height ?? 200 });
    });
    observer.observe(element);
    return () => {
      observer.disconnect();
      made.destroy();
      plot.current = null;
    };
  }, [shape]);

  useEffect(() => {
    plot.current?.setData(dataOf({ ...latest.current, times, series }));
  }, [times, series]);

  const at = pointed === null ? undefined : times[pointed.index];
  return (
    <div className={classes.canvas} ref={box} aria-hidden>
      {pointed !== null && at !== undefined && (
        <div
          className={classes.tip}
          style={
            pointed.left > (box.current?.clientWidth ?? 0) / 2
              ? { right: (box.current?.clientWidth ?? 0) - pointed.left + 12 }
              : { left: pointed.left + 12 }
          }
        >
          {formatMoment(new Date(at * 1000))}
          <dl>
            {series.map(({ label, values }) => (
              <div key={label} style={{ display: "contents" }}>
                <dt>{label}</dt>
                <dd>{format(values[pointed.index] ?? 0)}</dd>
              </div>
            ))}
          </dl>
        </div>
      )}
    </div>
  );
}

/** The series as uPlot draws them: the tallest stack first, so that each covers the ones behind it. */
function dataOf({ times, series, kind }: TimeChartProps): UPlot.AlignedData {
  if (kind === "area") return [[...times], ...series.map(({ values }) => [...values])];
  let below: readonly number[] = times.map(() => 0);
  const stacks = series.map(({ values }) => {
    below = below.map((value, index) => value + (values[index] ?? 0));
    return [...below];
  });
  return [[...times], ...stacks.reverse()];
}

function options(
  { series, kind, height = 200, format }: TimeChartProps,
  element: HTMLElement,
  width: number,
  onPoint: (pointed: Pointed | null) => void,
): UPlot.Options {
  const styles = getComputedStyle(element);
  const color = (name: string) => styles.getPropertyValue(name).trim();
  const axis: UPlot.Axis = {
    stroke: color("--text-3"),
    font: `11px ${styles.fontFamily}`,
    grid: { stroke: color("--border"), width: 1 },
    ticks: { show: false },
  };
  const drawn = kind === "bars" ? [...series].reverse() : series;
  return {
    width,
    height,
    legend: { show: false },
    padding: [8, 4, 0, 0],
    cursor: { y: false, drag: { x: false, y: false }, points: { show: false } },
    scales: { y: { range: (_plot, _min, max) => [0, max > 0 ? max * 1.08 : 1] } },
    axes: [
      { ...axis, size: 26, incrs: STEPS_OF_TIME, grid: { show: false }, space: 70, values: clockValues },
      { ...axis, size: 52, space: 36, values: (_plot, splits) => splits.map((value) => format(value)) },
    ],
    series: [
      {},
      ...drawn.map(({ label, color: name }) => ({
        label,
        stroke: color(name),
        width: kind === "bars" ? 0 : 1.75,
        fill: kind === "bars" ? color(name) : `${color(name)}22`,
        points: { show: false },
        ...(kind === "bars" && UPlot.paths.bars
          ? { paths: UPlot.paths.bars({ size: [0.75, 26, 1], radius: 0.12 }) }
          : {}),
      })),
    ],
    hooks: {
      setCursor: [
        (plot) => {
          const { idx, left } = plot.cursor;
          if (typeof idx !== "number" || left === undefined || left < 0) onPoint(null);
          else
            onPoint({ index: idx, left: plot.over.offsetLeft + plot.valToPos(plot.data[0][idx] ?? 0, "x") });
        },
      ],
    },
  };
}

const time = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" });
const second = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const day = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short" });

/** Tick intervals of the time axis, in seconds. */
const STEPS_OF_TIME = [
  1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200, 86_400, 172_800,
  604_800,
];

/** Tick labels of the time axis, as precise as their interval requires. */
function clockValues(_plot: UPlot, splits: number[]): string[] {
  const step = (splits[1] ?? 0) - (splits[0] ?? 0);
  return splits.map((value) => {
    const date = new Date(value * 1000);
    if (step >= 86_400) return day.format(date);
    return step < 60 ? second.format(date) : time.format(date);
  });
}
