import { useDebouncedValue } from "@mantine/hooks";
import { useQuery } from "@tanstack/react-query";
import { isTransient, violationsOf } from "@/api/errors";
import { readDocument } from "../document/document";
import { Violations } from "../document/pointers";
import { validationQuery } from "../queries";

export interface Validation {
  /** unknown: not validated yet, or the server does not answer. */
  readonly state: "validating" | "valid" | "invalid" | "unknown";
  readonly violations: Violations;
  /** Why it is invalid. */
  readonly error: unknown;
  /** The version that saving would create; 0 unless valid. */
  readonly version: number;
}

/** Has the server validate a document a moment after the last change, if the person may save it. */
export function useValidation(text: string, maySave: boolean): Validation {
  const [asked] = useDebouncedValue(text, 350);
  const query = useQuery({ ...validationQuery(asked), enabled: maySave && readDocument(asked).ok });
  const invalid = query.error !== null && !isTransient(query.error);
  const violations = new Violations(invalid ? violationsOf(query.error) : []);
  const base = { violations, error: query.error, version: query.data?.pipeline?.version ?? 0 };
  if (asked !== text || query.isFetching) return { ...base, state: "validating" };
  if (invalid) return { ...base, state: "invalid" };
  return { ...base, state: query.data === undefined ? "unknown" : "valid" };
}
