import { create } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { describe, expect, it } from "vitest";
import { BadRequestSchema, ErrorInfoSchema } from "@/api/contract";
import { codeName, describeError, isTransient, isUnreachable } from "./errors";

function serverError(code: Code, reason: string, message: string): ConnectError {
  return new ConnectError(message, code, undefined, [
    { desc: ErrorInfoSchema, value: { reason, domain: "ingestor", metadata: { committed_size: "42" } } },
    {
      desc: BadRequestSchema,
      value: create(BadRequestSchema, {
        fieldViolations: [{ field: "/schema/fields/0/tpe", description: 'unknown key "tpe"' }],
      }),
    },
  ]);
}

describe("describeError", () => {
  it("reads the reason, its facts and the violations", () => {
    const problem = describeError(serverError(Code.InvalidArgument, "INVALID_PIPELINE", "It is wrong."));
    expect(problem).toEqual({
      title: "The pipeline is not valid",
      happened: "It is wrong.",
      advice: "Correct the marked entries and save again. Nothing was saved.",
      code: "INVALID_ARGUMENT · INVALID_PIPELINE",
      reason: "INVALID_PIPELINE",
      metadata: { committed_size: "42" },
      violations: [{ field: "/schema/fields/0/tpe", description: 'unknown key "tpe"' }],
      transient: false,
    });
  });

  it("falls back to the code for an unknown reason", () => {
    const problem = describeError(serverError(Code.NotFound, "SOMETHING_NEW", "No."));
    expect(problem.title).toBe("Not found");
    expect(problem.code).toBe("NOT_FOUND · SOMETHING_NEW");
  });

  it("describes anything that is thrown", () => {
    expect(describeError(new Error("boom")).title).toBe("Something went wrong");
    expect(describeError("odd").advice).not.toBe("");
  });

  it("treats a lost network as a service that is not responding", () => {
    const lost = new ConnectError("x", Code.Internal, undefined, undefined, new TypeError("Failed to fetch"));
    expect(isUnreachable(lost)).toBe(true);
    expect(describeError(lost).title).toBe("The service is not responding");
  });
});

it("knows which calls are worth repeating", () => {
  expect(isTransient(new ConnectError("x", Code.Unavailable))).toBe(true);
  expect(isTransient(new ConnectError("x", Code.DeadlineExceeded))).toBe(true);
  expect(isTransient(new ConnectError("x", Code.FailedPrecondition))).toBe(false);
  expect(isTransient(new ConnectError("x", Code.Internal))).toBe(false);
});

it("names codes as gRPC does", () => {
  expect(codeName(Code.FailedPrecondition)).toBe("FAILED_PRECONDITION");
  expect(codeName(Code.NotFound)).toBe("NOT_FOUND");
});
