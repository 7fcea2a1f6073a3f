import { describe, expect, it } from "vitest";
import { chosenStates, processesFilter, quoted, rowsFilter, statesText } from "./filters";

it("escapes quotes and backslashes", () => {
  expect(quoted('a "b" \\ c')).toBe('"a \\"b\\" \\\\ c"');
});

describe("processesFilter", () => {
  it("is empty when nothing is selected", () => {
    expect(processesFilter({})).toBe("");
  });

  it("filters by part of the name, a state and a pipeline", () => {
    expect(processesFilter({ q: "cust", state: "FAILED", pipeline: "crm" })).toBe(
      'file_name:"cust" AND state=FAILED AND pipeline="crm"',
    );
  });

  it("selects several states by excluding the others", () => {
    expect(processesFilter({ state: "PENDING,DISPATCHING,PROCESSING" })).toBe(
      "state!=PAUSED AND state!=COMPLETED AND state!=COMPLETED_WITH_ERRORS AND state!=FAILED AND state!=CANCELLED AND state!=UNDONE",
    );
  });

  it("selects processes without a pipeline", () => {
    expect(processesFilter({ pipeline: "-" })).toBe('pipeline=""');
  });
});

it("keeps known states", () => {
  expect([...chosenStates("FAILED,NONSENSE")]).toEqual(["FAILED"]);
  expect(statesText(new Set(["FAILED", "PENDING"]))).toBe("PENDING,FAILED");
  expect(statesText(new Set())).toBeUndefined();
});

describe("rowsFilter", () => {
  it("joins the selected parts", () => {
    expect(rowsFilter({ state: "FAILED", code: "type-error", field: "" })).toBe(
      'status=FAILED AND code="type-error" AND field=""',
    );
  });

  it("leaves out unknown states", () => {
    expect(rowsFilter({ state: "LOST" })).toBe("");
  });
});
