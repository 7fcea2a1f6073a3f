import { CloseButton, Tooltip } from "@mantine/core";
import classes from "./KnownLabels.module.css";

interface KnownLabelsProps {
  readonly field: string;
  readonly labels: readonly string[];
  /** Null: the person may not change the pipeline. */
  readonly onRemove: ((label: string) => void) | null;
}

/** The labels by which the column of a field is known too, learned when a person matched them. */
export function KnownLabels({ field, labels, onRemove }: KnownLabelsProps) {
  if (labels.length === 0) return null;
  return (
    <ul className={classes.labels} aria-label={`Further labels of ${field}`}>
      {labels.map((label) => (
        <li key={label}>
          {label}
          {onRemove !== null && (
            <Tooltip label={`Forget the label ${label}`}>
              <CloseButton
                size={24}
                iconSize={12}
                aria-label={`Forget the label ${label} of ${field}`}
                onClick={() => onRemove(label)}
              />
            </Tooltip>
          )}
        </li>
      ))}
    </ul>
  );
}
