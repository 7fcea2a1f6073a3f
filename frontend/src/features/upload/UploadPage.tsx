import { IconUpload } from "@tabler/icons-react";
import { EmptyState } from "@/components/EmptyState";
import { PageHeader } from "@/components/PageHeader";

export function UploadPage() {
  return (
    <>
      <PageHeader title="Upload" />
      <EmptyState icon={IconUpload} title="Send files from the command line">
        <code>ingestor ingest FILE</code>
      </EmptyState>
    </>
  );
}
