/** The suite's contract. Everything else imports generated code from here only. */
export * from "../gen/google/rpc/error_details_pb";
export * from "../gen/ingestor/v1/access_pb";
export * from "../gen/ingestor/v1/authorization_pb";
export * from "../gen/ingestor/v1/common_pb";
export * from "../gen/ingestor/v1/orchestrator_pb";
export * from "../gen/ingestor/v1/pipelines_pb";
export * from "../gen/ingestor/v1/processor_pb";
export * from "../gen/ingestor/v1/status_pb";
export * from "../gen/ingestor/v1/upload_pb";
