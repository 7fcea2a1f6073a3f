import { TextInput } from "@mantine/core";
import { IconPlus, IconRoute, IconSearch } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { Link, useNavigate, useSearch } from "@tanstack/react-router";
import { type Pipeline, PipelineService, UploadService } from "@/api/contract";
import table from "@/components/DataTable.module.css";
import { EmptyState } from "@/components/EmptyState";
import { ErrorState } from "@/components/ErrorState";
import { LinkButton } from "@/components/LinkButton";
import { LoadingState } from "@/components/LoadingState";
import { PageHeader } from "@/components/PageHeader";
import { Panel } from "@/components/Panel";
import { TimeAgo } from "@/components/TimeAgo";
import { useMay } from "@/features/access";
import { formatCount } from "@/lib/format";
import { toDate } from "@/lib/proto";
import { readDocument } from "./document/document";
import classes from "./editor/Editor.module.css";
import { NEW_PIPELINE, pipelinesQuery } from "./queries";

export function PipelinesPage() {
  const { q = "" } = useSearch({ from: "/pipelines" });
  const navigate = useNavigate({ from: "/pipelines" });
  const list = useQuery(pipelinesQuery());
  const found = list.data?.filter((pipeline) => matches(pipeline, q)) ?? [];
  const mayUpload = useMay(UploadService.method.createUpload);
  const mayWrite = useMay(PipelineService.method.applyPipeline);
  const create = mayWrite && (
    <LinkButton
      to="/pipelines/$name"
      params={{ name: NEW_PIPELINE }}
      leftSection={<IconPlus size={16} aria-hidden />}
      variant="default"
    >
      New pipeline
    </LinkButton>
  );
  return (
    <>
      <PageHeader title="Pipelines" actions={create}>
        How the columns of a file become the columns of a table.
      </PageHeader>
      <div className={classes.stack}>
        {(list.data?.length ?? 0) > 0 && (
          <TextInput
            type="search"
            aria-label="Search pipelines"
            placeholder="Search by name, title or table"
            leftSection={<IconSearch size={16} aria-hidden />}
            maw={380}
            value={q}
            onChange={(event) =>
              void navigate({ search: { q: event.currentTarget.value || undefined }, replace: true })
            }
          />
        )}
        <Panel flush>
          {list.isError ? (
            <ErrorState error={list.error} onRetry={() => void list.refetch()} />
          ) : list.isPending ? (
            <LoadingState />
          ) : list.data.length === 0 ? (
            <EmptyState
              icon={IconRoute}
              title="No pipelines yet"
              action={mayWrite && mayUpload && <LinkButton to="/upload">Upload a file</LinkButton>}
            >
              {mayWrite
                ? "Upload a file, and a pipeline is drafted from its contents."
                : "An author of your tenant can make one."}
            </EmptyState>
          ) : found.length === 0 ? (
            <EmptyState icon={IconSearch} title={`No pipeline matches “${q}”`} />
          ) : (
            <PipelineTable pipelines={found} />
          )}
        </Panel>
      </div>
    </>
  );
}

function matches(pipeline: Pipeline, q: string): boolean {
  const read = readDocument(pipeline.documentJson);
  const texts = read.ok
    ? [pipeline.name, read.document.title ?? "", read.document.sink.table ?? ""]
    : [pipeline.name];
  return texts.some((text) => text.toLowerCase().includes(q.toLowerCase()));
}

function PipelineTable({ pipelines }: { readonly pipelines: readonly Pipeline[] }) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls must be reachable by keyboard.
    <section className={table.scroll} tabIndex={0} aria-label="Pipelines">
      <table className={table.table}>
        <thead>
          <tr>
            <th scope="col">Name</th>
            <th scope="col">Table</th>
            <th scope="col" className={table.number}>
              Fields
            </th>
            <th scope="col" className={table.number}>
              Version
            </th>
            <th scope="col">Saved</th>
            <th scope="col">
              <span className="visually-hidden">More</span>
            </th>
          </tr>
        </thead>
        <tbody>
          {pipelines.map((pipeline) => (
            <Line key={pipeline.name} pipeline={pipeline} />
          ))}
        </tbody>
      </table>
    </section>
  );
}

function Line({ pipeline }: { readonly pipeline: Pipeline }) {
  const read = readDocument(pipeline.documentJson);
  const document = read.ok ? read.document : null;
  const saved = toDate(pipeline.createTime);
  return (
    <tr>
      <td>
        <Link to="/pipelines/$name" params={{ name: pipeline.name }} className={table.name}>
          {pipeline.name}
        </Link>
        {document?.title !== undefined && <div className={table.sub}>{document.title}</div>}
      </td>
      <td>
        <code>{document?.sink.table}</code>
        {document?.sink.mode === "upsert" && <span className="muted"> · upsert</span>}
      </td>
      <td className={table.number}>{formatCount(document?.schema.fields.length ?? 0)}</td>
      <td className={table.number}>{pipeline.version}</td>
      <td>{saved && <TimeAgo time={saved} />}</td>
      <td>
        <Link to="/processes" search={{ pipeline: pipeline.name }}>
          Processes<span className="visually-hidden"> of {pipeline.name}</span>
        </Link>
      </td>
    </tr>
  );
}
