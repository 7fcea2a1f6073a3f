import { useComputedColorScheme } from "@mantine/core";
import { lazy, Suspense } from "react";
import classes from "./TimeChart.module.css";

/** A column of the chart. */
interface ChartSeries {
  readonly label: string;
  /** Name of a colour in tokens.css, such as "--good-fill". */
  readonly color: string;
  readonly values: readonly number[];
}

export interface TimeChartProps {
  /** What the chart shows, for screen readers, such as "Rows per second, at most 12,000". */
  readonly summary: string;
  /** Seconds of the epoch, ascending. */
  readonly times: readonly number[];
  readonly series: readonly ChartSeries[];
  /** Bars are stacked; an area shows a single series. */
  readonly kind: "bars" | "area";
  readonly format: (value: number) => string;
  /** Formats a point in time, in the table and under the pointer. */
  readonly formatMoment: (time: Date) => string;
  readonly height?: number;
}

const Canvas = lazy(() => import("./TimeChartCanvas"));

/** Values over time, as a chart and as a table. */
export function TimeChart(props: TimeChartProps) {
  const { summary, times, series, format, formatMoment, height = 200 } = props;
  const scheme = useComputedColorScheme("light");
  return (
    <figure className={classes.chart}>
      {series.length > 1 && (
        <ul className={classes.legend}>
          {series.map(({ label, color }) => (
            <li key={label}>
              <span className={classes.swatch} style={{ background: `var(${color})` }} aria-hidden />
              {label}
            </li>
          ))}
        </ul>
      )}
      <div role="img" aria-label={summary} style={{ height }}>
        <Suspense fallback={null}>
          <Canvas {...props} key={scheme} height={height} />
        </Suspense>
      </div>
      <details className={classes.details}>
        <summary>Show as table</summary>
        {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard. */}
        <section className={classes.tableScroll} tabIndex={0} aria-label={`${summary}, as a table`}>
          <table className={classes.table}>
            <thead>
              <tr>
                <th scope="col">Time</th>
                {series.map(({ label }) => (
                  <th scope="col" key={label}>
                    {label}
                  </th>
                ))}
              </tr>
            </thead>
            <tbody>
              {times.map((time, index) => (
                <tr key={time}>
                  <th scope="row">{formatMoment(new Date(time * 1000))}</th>
                  {series.map(({ label, values }) => (
                    <td key={label}>{format(values[index] ?? 0)}</td>
                  ))}
                </tr>
              ))}
            </tbody>
          </table>
        </section>
      </details>
    </figure>
  );
}
