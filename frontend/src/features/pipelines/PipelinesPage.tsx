import { IconRoute } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import table from "@/components/DataTable.module.css";
import { EmptyState } from "@/components/EmptyState";
import { ErrorState } from "@/components/ErrorState";
import { LoadingState } from "@/components/LoadingState";
import { PageHeader } from "@/components/PageHeader";
import { Panel } from "@/components/Panel";
import { pipelinesQuery } from "./queries";

export function PipelinesPage() {
  const list = useQuery(pipelinesQuery());
  return (
    <>
      <PageHeader title="Pipelines">How the columns of a file become those of a table.</PageHeader>
      <Panel flush>
        {list.isError ? (
          <ErrorState error={list.error} onRetry={() => void list.refetch()} />
        ) : list.isPending ? (
          <LoadingState />
        ) : list.data.length === 0 ? (
          <EmptyState icon={IconRoute} title="No pipelines yet">
            Upload a file, and one is drafted from what it holds.
          </EmptyState>
        ) : (
          <table className={table.table}>
            <thead>
              <tr>
                <th scope="col">Name</th>
                <th scope="col">Version</th>
              </tr>
            </thead>
            <tbody>
              {list.data.map((pipeline) => (
                <tr key={pipeline.name}>
                  <td>
                    <Link to="/pipelines/$name" params={{ name: pipeline.name }} className={table.name}>
                      {pipeline.name}
                    </Link>
                  </td>
                  <td>{pipeline.version}</td>
                </tr>
              ))}
            </tbody>
          </table>
        )}
      </Panel>
    </>
  );
}
