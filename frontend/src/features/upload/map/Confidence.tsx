import classes from "./Map.module.css";

interface ConfidenceProps {
  /** 0 to 1. */
  readonly value: number;
  readonly byHand?: boolean;
}

/** The confidence of a match or a type, in text and colour. */
export function Confidence({ value, byHand = false }: ConfidenceProps) {
  if (byHand) return <span className={classes.confidence}>manual</span>;
  const tone = value >= 0.9 ? "good" : value >= 0.7 ? "fair" : "poor";
  return (
    <span className={classes.confidence} data-tone={tone}>
      {value >= 0.995 ? "sure" : `${Math.round(value * 100)}%`}
    </span>
  );
}
