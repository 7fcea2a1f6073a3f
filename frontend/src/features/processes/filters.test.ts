import { describe, expect, it } from "vitest";
import { chosenStates, processesFilter, quoted, rowsFilter, statesText } from "./filters";

it("escapes what ends a text", () => {
  expect(quoted('a "b" \\ c')).toBe('"a \\"b\\" \\\\ c"');
});

describe("processesFilter", () => {
  it("is empty for all", () => {
    expect(processesFilter({})).toBe("");
  });

  it("asks for a part of the name, a state and a pipeline", () => {
    expect(processesFilter({ q: "cust", state: "FAILED", pipeline: "crm" })).toBe(
      'file_name:"cust" AND state=FAILED AND pipeline="crm"',
    );
  });

  it("asks for several states by leaving out the others", () => {
    expect(processesFilter({ state: "PENDING,DISPATCHING,PROCESSING" })).toBe(
      "state!=PAUSED AND state!=COMPLETED AND state!=COMPLETED_WITH_ERRORS AND state!=FAILED AND state!=CANCELLED AND state!=UNDONE",
    );
  });

  it("asks for processes without a pipeline", () => {
    expect(processesFilter({ pipeline: "-" })).toBe('pipeline=""');
  });
});

it("keeps the states that there are", () => {
  expect([...chosenStates("FAILED,NONSENSE")]).toEqual(["FAILED"]);
  expect(statesText(new Set(["FAILED", "PENDING"]))).toBe("PENDING,FAILED");
  expect(statesText(new Set())).toBeUndefined();
});

describe("rowsFilter", () => {
  it("joins what is chosen", () => {
    expect(rowsFilter({ state: "FAILED", code: "type-error", field: "" })).toBe(
      'status=FAILED AND code="type-error" AND field=""',
    );
  });

  it("leaves out what is no state", () => {
    expect(rowsFilter({ state: "LOST" })).toBe("");
  });
});
