import { Button } from "@mantine/core";
import { IconAlertTriangle, IconRefresh } from "@tabler/icons-react";
import { describeError } from "@/api/errors";
import { QuotaFacts } from "./QuotaFacts";
import classes from "./States.module.css";

interface ErrorStateProps {
  readonly error: unknown;
  readonly onRetry?: () => void;
  /** Small: beside other content instead of in its place. */
  readonly inline?: boolean;
}

/** A call that failed: what happened, what the person can do, and the code. */
export function ErrorState({ error, onRetry, inline = false }: ErrorStateProps) {
  const problem = describeError(error);
  const retry = onRetry !== undefined && (
    <Button variant="default" size="xs" leftSection={<IconRefresh size={14} aria-hidden />} onClick={onRetry}>
      Try again
    </Button>
  );
  if (inline) {
    return (
      <div role="alert" className={classes.inline}>
        <IconAlertTriangle size={18} stroke={1.75} aria-hidden />
        <div>
          <p>
            <strong>{problem.title}.</strong> {problem.happened}
          </p>
          {problem.violations.length > 0 && (
            <ul>
              {problem.violations.map(({ field, description }) => (
                <li key={`${field} ${description}`}>
                  <code>{field}</code>: {description}
                </li>
              ))}
            </ul>
          )}
          <p>
            <QuotaFacts problem={problem} /> {problem.advice}
          </p>
          <p className={classes.code}>{problem.code}</p>
          {retry}
        </div>
      </div>
    );
  }
  return (
    <div role="alert" className={classes.state}>
      <div className={classes.iconBad}>
        <IconAlertTriangle size={24} stroke={1.5} aria-hidden />
      </div>
      <h2 className={classes.title}>{problem.title}</h2>
      <div className={classes.text}>
        <p>{problem.happened}</p>
        <p>
          <QuotaFacts problem={problem} /> {problem.advice}
        </p>
      </div>
      <p className={classes.code}>{problem.code}</p>
      {retry && <div className={classes.action}>{retry}</div>}
    </div>
  );
}
