import { Button } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { Link, useNavigate, useParams, useSearch } from "@tanstack/react-router";
import { lazy, Suspense, useEffect, useState } from "react";
import { uploadClient } from "@/api/clients";
import { PipelineService, type Upload, UploadState } from "@/api/contract";
import { violationsOf } from "@/api/errors";
import { ErrorState } from "@/components/ErrorState";
import { LoadingState } from "@/components/LoadingState";
import { PageHeader } from "@/components/PageHeader";
import { Panel } from "@/components/Panel";
import { useMay } from "@/features/access";
import { formatBytes } from "@/lib/format";
import { DestinationFacts } from "./choice/DestinationFacts";
import { DropZone } from "./DropZone";
import { FIRST_COMMIT, type UploadSnapshot } from "./engine/task";
import classes from "./map/Map.module.css";
import { JSON_ROWS, NEW, NONE, noticesOf } from "./map/plan";
import { uploadQuery } from "./map/queries";
import { bestOf, type PipelineChoice, TargetPanel } from "./map/TargetPanel";
import { type Plan, usePlan } from "./map/use-plan";
import { DialectPanel } from "./preview/DialectPanel";
import { isReadFromTheFront, writeDialect } from "./preview/dialect";
import { type Decisions, forget } from "./remembered/mapping-memory";
import { useRemembered, useRemembering } from "./remembered/use-remembered";
import { UploadLine } from "./UploadLine";
import line from "./UploadLine.module.css";
import { uploadActions, useUpload, useUploadOf } from "./use-uploads";
import { useDuplicates } from "./values/use-duplicates";

// What is seen only when the file has been looked at, comes with that.
const Columns = lazy(() => import("./Columns").then(({ Columns }) => ({ default: Columns })));
const KeysAndValues = lazy(() =>
  import("./values/KeysAndValues").then(({ KeysAndValues }) => ({ default: KeysAndValues })),
);
const StartBar = lazy(() => import("./map/StartBar").then(({ StartBar }) => ({ default: StartBar })));
const FirstRows = lazy(() => import("./preview/FirstRows").then(({ FirstRows }) => ({ default: FirstRows })));

/** Once this many bytes are sent, the first rows are inspected while the rest is being sent. */
const WORTH_A_LOOK = FIRST_COMMIT;

/** The upload's own line, which changes with every piece. */
function LiveLine({ uploadKey }: { readonly uploadKey: string }) {
  const upload = useUpload(uploadKey);
  return upload && <UploadLine upload={upload} mapping />;
}

/** Mapping: how the file is read, where its rows go, and a dry run of the first rows. */
export function MapPage() {
  const { uploadId } = useParams({ from: "/upload/$uploadId" });
  const query = useQuery(uploadQuery(uploadId));
  const local = useUploadOf(uploadId, WORTH_A_LOOK);
  const remembered = useRemembered(uploadId);
  const navigate = useNavigate();

  const discard = async () => {
    if (local !== null) await uploadActions.cancel(local.key);
    else await uploadClient.abortUpload({ uploadId });
    await forget(uploadId);
    await navigate({ to: "/upload" });
  };

  const processId = local?.processId || query.data?.processId || "";
  useEffect(() => {
    if (processId !== "")
      void navigate({ to: "/processes/$processId", params: { processId }, replace: true });
  }, [processId, navigate]);

  if (query.isError) return <ErrorState error={query.error} onRetry={() => void query.refetch()} />;
  if (!query.data) return <LoadingState />;
  const upload = query.data;
  if (upload.state === UploadState.ABORTED) {
    return (
      <>
        <PageHeader title={upload.fileName} />
        <p>This upload was cancelled, and its data was removed.</p>
        <p>
          <Link to="/upload">Upload a file</Link>
        </p>
      </>
    );
  }
  const whole = upload.declaredSize > 0n && upload.committedSize >= upload.declaredSize;
  return (
    <>
      <PageHeader
        title={upload.fileName}
        documentTitle={`Map ${upload.fileName}`}
        actions={
          <Button variant="default" onClick={() => void discard()}>
            Discard file
          </Button>
        }
      >
        {formatBytes(upload.declaredSize)} · Map the columns, review the dry run of the first rows, then
        start.
      </PageHeader>
      <div className={classes.sent}>
        {local !== null
          ? local.phase !== "sent" && (
              <Panel flush>
                <ul className={line.list}>
                  <LiveLine uploadKey={local.key} />
                </ul>
              </Panel>
            )
          : !whole && (
              <DropZone
                compact
                multiple={false}
                title={`${formatBytes(upload.committedSize)} of ${formatBytes(upload.declaredSize)} sent`}
                hint={`Drop or choose ${upload.fileName} again to resume where it stopped.`}
                onFiles={([given]) => given && uploadActions.start(given.file, { handle: given.handle })}
              />
            )}
      </div>
      {remembered !== undefined && (
        <Mapping key={uploadId} upload={upload} local={local} whole={whole} remembered={remembered} />
      )}
    </>
  );
}

interface MappingProps {
  readonly upload: Upload;
  readonly local: UploadSnapshot | null;
  readonly whole: boolean;
  readonly remembered: Decisions;
}

/** The pipeline to point at: one that fits and is not chosen by hand or by itself. */
function proposalOf({ target, pipelines }: Plan): PipelineChoice | null {
  return [NEW, NONE, JSON_ROWS].includes(target) ? bestOf(pipelines) : null;
}

function Mapping({ upload, local, whole, remembered }: MappingProps) {
  const { uploadId, fileName } = upload;
  const inAddress = useSearch({ from: "/upload/$uploadId" });
  const navigate = useNavigate({ from: "/upload/$uploadId" });
  // An address without decisions, as a link has it, gets the remembered ones.
  const [opening, setOpening] = useState(
    inAddress.to === undefined &&
      inAddress.dialect === undefined &&
      (remembered.to !== undefined || remembered.dialect !== undefined),
  );
  const search = opening ? { to: remembered.to, dialect: remembered.dialect } : inAddress;
  useEffect(() => {
    if (!opening) return;
    const { to, dialect } = remembered;
    void navigate({ search: { to, dialect }, replace: true, resetScroll: false }).then(() =>
      setOpening(false),
    );
  }, [opening, remembered, navigate]);
  const sent = whole || local?.phase === "sent" || local?.phase === "completing";
  // A small file is complete before its first pieces could be inspected.
  const begun = Math.max(Number(upload.committedSize), local?.committed ?? 0) >= WORTH_A_LOOK;
  const early = isReadFromTheFront(fileName);
  const mayWrite = useMay(PipelineService.method.applyPipeline);
  const plan = usePlan({
    uploadId,
    dialect: search.dialect ?? {},
    target: search.to,
    stage: sent ? "sent" : begun && early ? "begun" : "",
    mayWrite,
    remembered,
  });
  useRemembering(uploadId, { ...plan.decisions, to: search.to, dialect: search.dialect });
  const duplicates = useDuplicates(uploadId, plan, search.dialect ?? {}, sent);

  const change = (part: Partial<typeof search>) =>
    void navigate({ search: (before) => ({ ...before, ...part }), replace: true, resetScroll: false });
  const dialectProblems = new Map(
    violationsOf(plan.inspection.error).map(({ field, description }): [string, string] => [
      field.split(/[./]/).at(-1) ?? field,
      description,
    ]),
  );

  return (
    <>
      <div className={classes.stack}>
        <DialectPanel
          declared={search.dialect ?? {}}
          used={plan.used}
          inspection={plan.inspection.data}
          stale={plan.inspection.isPlaceholderData}
          notices={noticesOf(plan.target, plan.inspection.data?.notices, plan.dryRun.data?.notices)}
          onChange={(dialect) => change({ dialect: writeDialect(dialect) === "" ? undefined : dialect })}
          problems={dialectProblems}
        />
        {plan.inspection.isError ? (
          <ErrorState inline error={plan.inspection.error} onRetry={() => void plan.inspection.refetch()} />
        ) : plan.inspection.data === undefined ? (
          <Panel title="Columns">
            <LoadingState
              label={
                sent || early ? "Reading the file" : "The columns are shown as soon as the whole file is sent"
              }
            />
          </Panel>
        ) : (
          <>
            <TargetPanel
              target={plan.target}
              onTarget={(to) => {
                plan.forgetMatches();
                change({ to });
              }}
              pipelines={plan.pipelines}
              draft={plan.draft}
              onDraft={plan.setDraft}
              violations={plan.violations}
              mayWrite={mayWrite}
            >
              <DestinationFacts
                table={plan.table}
                unread={plan.unread}
                proposed={proposalOf(plan)}
                onChoose={(to) => change({ to })}
              />
            </TargetPanel>
            <Suspense>
              <Columns plan={plan} />
              <KeysAndValues plan={plan} duplicates={duplicates} />
              {plan.target !== NONE && <FirstRows plan={plan} />}
            </Suspense>
          </>
        )}
      </div>
      {plan.inspection.data !== undefined && (
        <Suspense>
          <StartBar plan={plan} duplicates={duplicates} upload={upload} local={local} sent={sent} />
        </Suspense>
      )}
    </>
  );
}
