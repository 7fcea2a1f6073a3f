import { UploadService } from "@/api/contract";
import { PageHeader } from "@/components/PageHeader";
import { Panel } from "@/components/Panel";
import { RoleNeeded, useMay } from "@/features/access";
import { useOpenFiles } from "./anywhere/use-open-files";
import { DropZone } from "./DropZone";
import { DiscardAll, SameColumns } from "./several/SeveralFiles";
import { UnfinishedUploads } from "./UnfinishedUploads";
import { UploadLine } from "./UploadLine";
import line from "./UploadLine.module.css";
import classes from "./UploadPage.module.css";
import { useUploads } from "./use-uploads";

export function UploadPage() {
  const { uploads } = useUploads();
  const maySend = useMay(UploadService.method.createUpload);
  const onFiles = useOpenFiles();

  return (
    <>
      <PageHeader title="Upload">Upload a file, choose where its rows go, and follow every row.</PageHeader>
      <div className={classes.stack}>
        {maySend ? (
          <DropZone onFiles={onFiles} />
        ) : (
          <RoleNeeded to="To send files" method={UploadService.method.createUpload} />
        )}
        {uploads.length > 0 && (
          <Panel title="Uploads in this tab" aside={<DiscardAll />} flush>
            <SameColumns />
            <ul className={line.list}>
              {uploads.map((upload) => (
                <UploadLine key={upload.key} upload={upload} />
              ))}
            </ul>
          </Panel>
        )}
        {maySend && <UnfinishedUploads />}
      </div>
    </>
  );
}
