/** What other features may import, besides queries.ts: the pipeline document. */
export {
  asList,
  labelOf,
  madeLabels,
  readDocument,
  withField,
  withFields,
  withKey,
  withKeyField,
  withLabels,
  withoutField,
  withTrim,
  writeDocument,
} from "./document/document";
export { Violations } from "./document/pointers";
export { FIELD_TYPES, type PipelineDocument, type PipelineField } from "./document/types";
