import type { ProcessCost } from "@/api/contract";

/** What AWS asks for the process, and for a million rows like its rows. */
export function costWords(cost: ProcessCost): string {
  return `about ${dollars(cost.dollars)}, ${dollars(cost.dollarsPerMillionRows)} per million rows`;
}

/** Small sums with two digits that say something: $0.00042. */
function dollars(sum: number): string {
  const digits = sum >= 0.1 || sum <= 0 ? 2 : Math.min(10, 1 - Math.floor(Math.log10(sum)));
  return `$${sum.toFixed(digits)}`;
}
