import { Link } from "@tanstack/react-router";
import table from "@/components/DataTable.module.css";
import { StateBadge } from "@/components/StateBadge";
import { TimeAgo } from "@/components/TimeAgo";
import type { Process } from "@/gen/ingestor/v1/status_pb";
import { formatBytes, formatCount } from "@/lib/format";
import { toDate } from "@/lib/proto";

/** Processes, one a line. */
export function ProcessTable({ processes }: { readonly processes: readonly Process[] }) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls must be reachable by keyboard.
    <section className={table.scroll} tabIndex={0} aria-label="Processes">
      <table className={table.table}>
        <thead>
          <tr>
            <th scope="col">File</th>
            <th scope="col">State</th>
            <th scope="col" className={table.number}>
              Rows
            </th>
            <th scope="col" className={table.number}>
              Failed
            </th>
            <th scope="col">Begun</th>
          </tr>
        </thead>
        <tbody>
          {processes.map((process) => (
            <Line key={process.info?.processId} process={process} />
          ))}
        </tbody>
      </table>
    </section>
  );
}

function Line({ process }: { readonly process: Process }) {
  const { info, counts } = process;
  const begun = toDate(process.createTime);
  return (
    <tr>
      <td>
        <Link to="/processes/$processId" params={{ processId: info?.processId ?? "" }} className={table.name}>
          {info?.fileName}
        </Link>
        <div className={table.sub}>
          {formatBytes(info?.sizeBytes ?? 0n)} ·{" "}
          {info?.pipeline ? `${info.pipeline} @${info.pipelineVersion}` : "JSON rows"}
        </div>
      </td>
      <td>
        <StateBadge state={process.state} />
      </td>
      <td className={table.number}>{formatCount(counts?.read ?? 0n)}</td>
      <td className={table.number}>{formatCount(counts?.failed ?? 0n)}</td>
      <td>{begun && <TimeAgo time={begun} />}</td>
    </tr>
  );
}
