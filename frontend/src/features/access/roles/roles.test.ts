import { describe, expect, it } from "vitest";
import { AccessService, PipelineService, Role, StatusService, UploadService } from "@/api/contract";
import { anyOf, inWords, methodNames, methodTable, ROLES, rolesFor, rolesToAskFor } from "./roles";

const ALL = ROLES.map(({ role }) => role);

describe("rolesFor", () => {
  it("gives everybody what a viewer may do", () => {
    expect(rolesFor(StatusService.method.listProcesses)).toEqual(ALL);
    expect(rolesFor(AccessService.method.getAccess)).toEqual(ALL);
  });

  it("gives an admin everything", () => {
    expect(rolesFor(UploadService.method.completeUpload)).toEqual([Role.UPLOADER, Role.ADMIN]);
    expect(rolesFor(StatusService.method.deleteProcess)).toEqual([Role.OPERATOR, Role.ADMIN]);
    expect(rolesFor(PipelineService.method.applyPipeline)).toEqual([Role.AUTHOR, Role.ADMIN]);
  });
});

it("names the roles to ask for", () => {
  expect(anyOf(rolesToAskFor(UploadService.method.createUpload))).toBe("uploader or author");
  expect(anyOf(rolesToAskFor(UploadService.method.completeUpload))).toBe("uploader");
});

it("knows every role of the contract", () => {
  const known = Object.values(Role).filter(
    (value) => typeof value === "number" && value !== Role.UNSPECIFIED,
  );
  expect(ALL).toEqual(known);
});

it("has a line for every public method", () => {
  const lines = methodTable().flatMap(({ methods }) => methods);
  expect(lines.length).toBe(methodNames().length);
  expect(lines.length).toBeGreaterThan(35);
  expect(lines.filter(({ platform }) => platform).map(({ name }) => name)).toEqual([
    "ListTenants",
    "SetQuotas",
  ]);
  expect(lines.find(({ name }) => name === "DeleteProcess")).toMatchObject({
    label: "Delete process",
    audited: true,
  });
});

it("says methods in words", () => {
  expect(inWords("ingestor.v1.StatusService/DeleteProcess")).toBe("Delete process");
});
