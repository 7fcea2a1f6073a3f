import { describeError } from "@/api/errors";
import { plural } from "@/lib/format";
import classes from "./Editor.module.css";
import type { Validation } from "./use-validation";

interface DraftStatusProps {
  /** Whether the text parses as a document. */
  readonly readable: boolean;
  readonly dirty: boolean;
  readonly validation: Validation;
}

/** Whether the document is valid, and what saving would do. */
export function DraftStatus({ readable, dirty, validation }: DraftStatusProps) {
  if (!readable) return "Correct the JSON first.";
  switch (validation.state) {
    case "validating":
      return "Validating …";
    case "invalid":
      return <Invalid {...validation} />;
    case "unknown":
      return "Not validated yet.";
    case "valid":
      return dirty ? `Valid. Saving creates version ${validation.version}.` : "Valid.";
  }
}

function Invalid({ violations, error }: Pick<Validation, "violations" | "error">) {
  if (violations.count === 0) return <span className={classes.bad}>{describeError(error).happened}</span>;
  return (
    <>
      {plural(violations.count, "error")} to correct:
      <ul className={classes.violations}>
        {violations.list.slice(0, 6).map(({ field, description }) => (
          <li key={`${field} ${description}`}>
            <code>{field || "(document)"}</code>: {description}
          </li>
        ))}
      </ul>
    </>
  );
}
