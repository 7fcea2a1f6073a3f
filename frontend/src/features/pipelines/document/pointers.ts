/** Maps a violation's JSON Pointer (RFC 6901) to the part of the editor that it is about. */
import type { Violation } from "@/api/errors";

/** "/schema/fields/3/constraints/minimum" → ["schema", "fields", "3", "constraints", "minimum"]. */
export function parsePointer(pointer: string): readonly string[] {
  const path = pointer.replace(/^document_json/, "");
  if (!path.startsWith("/")) return [];
  return path
    .slice(1)
    .split("/")
    .map((part) => part.replaceAll("~1", "/").replaceAll("~0", "~"));
}

/** Violations by the path that they are about. */
export class Violations {
  private readonly all: readonly { readonly path: readonly string[]; readonly violation: Violation }[];

  constructor(violations: readonly Violation[]) {
    this.all = violations.map((violation) => ({ path: parsePointer(violation.field), violation }));
  }

  get count(): number {
    return this.all.length;
  }

  get list(): readonly Violation[] {
    return this.all.map(({ violation }) => violation);
  }

  /** What is wrong at exactly this path; undefined when nothing is. Several messages are joined. */
  at(...place: readonly (string | number)[]): string | undefined {
    const wanted = place.map(String);
    return join(this.all.filter(({ path }) => path.length === wanted.length && startsWith(path, wanted)));
  }

  /** The violations at this path or below it. */
  within(...place: readonly (string | number)[]): readonly Violation[] {
    const wanted = place.map(String);
    return this.all.filter(({ path }) => startsWith(path, wanted)).map(({ violation }) => violation);
  }

  /** The same as text, for an input that shows everything below a path. */
  textWithin(...place: readonly (string | number)[]): string | undefined {
    const wanted = place.map(String);
    return join(this.all.filter(({ path }) => startsWith(path, wanted)));
  }
}

function startsWith(path: readonly string[], wanted: readonly string[]): boolean {
  return wanted.every((part, index) => path[index] === part);
}

function join(found: readonly { readonly violation: Violation }[]): string | undefined {
  return found.length === 0 ? undefined : found.map(({ violation }) => violation.description).join("; ");
}
