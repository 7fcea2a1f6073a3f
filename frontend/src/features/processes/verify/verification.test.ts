import { create } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { type VerifyProcessResponse, VerifyProcessResponseSchema } from "@/api/contract";
import { type Progress, receiptName, receiveVerification } from "./verification";

async function* stream(...parts: Parameters<typeof message>[0][]): AsyncGenerator<VerifyProcessResponse> {
  for (const part of parts) yield message(part);
}

function message(part: {
  readonly rowsVerified?: bigint;
  readonly text?: string;
  readonly receipt?: string;
  readonly agrees?: boolean;
}): VerifyProcessResponse {
  return create(VerifyProcessResponseSchema, {
    rowsVerified: part.rowsVerified ?? 0n,
    rows: 10n,
    disagreements: part.text === undefined ? [] : [{ rowNumber: 3n, batchNumber: 1n, message: part.text }],
    receipt: new TextEncoder().encode(part.receipt ?? ""),
    ...(part.agrees === undefined ? {} : { result: { agrees: part.agrees, disagreementCount: 1n } }),
  });
}

test("disagreements and the receipt are collected in order, and progress is told", async () => {
  const told: Progress[] = [];
  const found = await receiveVerification(
    stream(
      { rowsVerified: 0n },
      { rowsVerified: 5n, text: "Row 3: not in the table." },
      { rowsVerified: 10n, receipt: "{" },
      { rowsVerified: 10n, receipt: "}" },
      { agrees: false },
    ),
    (progress) => told.push(progress),
  );
  expect(found.result.agrees).toBe(false);
  expect(found.disagreements.map(({ message }) => message)).toEqual(["Row 3: not in the table."]);
  expect(await new Blob([...found.receipt]).text()).toBe("{}");
  expect(told.map(({ verified }) => verified)).toEqual([0, 5, 10, 10]);
});

test("a stream without a result is no verification", async () => {
  await expect(receiveVerification(stream({ rowsVerified: 1n }), () => {})).rejects.toThrow(
    "without a result",
  );
});

test("the receipt is named after the file", () => {
  expect(receiptName("people.csv")).toBe("people-receipt.json");
  expect(receiptName("")).toBe("process-receipt.json");
});
