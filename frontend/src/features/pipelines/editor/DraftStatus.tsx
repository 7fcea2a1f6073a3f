import { describeError } from "@/api/errors";
import { plural } from "@/lib/format";
import classes from "./Editor.module.css";
import type { Validation } from "./use-validation";

interface VerdictProps {
  /** Whether the text is a document at all. */
  readonly readable: boolean;
  readonly dirty: boolean;
  readonly check: Validation;
}

/** One line on the document: whether it is valid, and what saving would do. */
export function Verdict({ readable, dirty, check }: VerdictProps) {
  if (!readable) return "The text has to be JSON first.";
  switch (check.state) {
    case "checking":
      return "Checking …";
    case "invalid":
      return <Invalid {...check} />;
    case "unknown":
      return "Not checked yet.";
    case "valid":
      return dirty ? `Valid. Saving makes version ${check.version}.` : "Valid.";
  }
}

function Invalid({ violations, error }: Pick<Validation, "violations" | "error">) {
  if (violations.count === 0) return <span className={classes.bad}>{describeError(error).happened}</span>;
  return (
    <>
      {plural(violations.count, "place")} to correct:
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
