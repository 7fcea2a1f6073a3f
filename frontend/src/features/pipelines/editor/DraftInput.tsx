import { Textarea, TextInput } from "@mantine/core";
import { useState } from "react";

interface DraftInputProps {
  readonly label: string;
  /** The document's value as text. */
  readonly text: string;
  /** Called on every change; the document may write the value differently. */
  readonly onText: (text: string) => void;
  readonly error?: string;
  readonly placeholder?: string;
  readonly description?: string;
  readonly rows?: number;
  readonly type?: "text" | "number";
}

/**
 * An input for a value that is not text: a list, pairs, a number. While being edited it shows what was typed
 * ("a, ") rather than the value's own text ("a").
 */
export function DraftInput({ text, onText, rows, type = "text", ...input }: DraftInputProps) {
  const [typed, setTyped] = useState<string | null>(null);
  const shared = {
    ...input,
    size: "xs",
    value: typed ?? text,
    onBlur: () => setTyped(null),
    onChange: (event: { currentTarget: { value: string } }) => {
      setTyped(event.currentTarget.value);
      onText(event.currentTarget.value);
    },
  };
  return rows === undefined ? <TextInput {...shared} type={type} /> : <Textarea {...shared} rows={rows} />;
}

/** "a, b" → ["a", "b"]. */
export function readList(text: string): readonly string[] {
  return text
    .split(",")
    .map((part) => part.trim())
    .filter((part) => part !== "");
}
