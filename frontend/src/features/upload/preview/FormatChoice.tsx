import { NativeSelect } from "@mantine/core";
import { type FormatKeys, formatOptions, formatValue } from "./formats";
import classes from "./Understood.module.css";

interface FormatChoiceProps {
  /** Of the column. */
  readonly label: string;
  readonly field: FormatKeys;
  readonly onChange: (keys: FormatKeys) => void;
}

/** How the values of a field are written, where that can be chosen. */
export function FormatChoice({ label, field, onChange }: FormatChoiceProps) {
  const options = formatOptions(field);
  if (options.length === 0) return null;
  const value = formatValue(field);
  const known = options.some((option) => option.value === value);
  return (
    <NativeSelect
      size="xs"
      w={128}
      className={classes.format}
      aria-label={`Format of ${label}`}
      data={[
        ...options.map((option) => ({ value: option.value, label: option.label })),
        ...(known ? [] : [{ value, label: value }]),
      ]}
      value={value}
      onChange={(event) => {
        const chosen = options.find((option) => option.value === event.currentTarget.value);
        if (chosen !== undefined) onChange(chosen.keys);
      }}
    />
  );
}
