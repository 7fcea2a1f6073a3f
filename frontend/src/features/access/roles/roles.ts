/** What the roles are called, and what each may do: read from the contract, the one table of it. */
import { type DescMethod, type DescService, getOption } from "@bufbuild/protobuf";
import {
  AccessService,
  access,
  type MethodAccess,
  OrchestratorService,
  PipelineService,
  ProcessorService,
  Role,
  StatusService,
  UploadService,
} from "@/api/contract";

interface RoleLook {
  readonly role: Role;
  readonly label: string;
  readonly meaning: string;
}

/** Every role, the least powerful first. */
export const ROLES: readonly RoleLook[] = [
  {
    role: Role.VIEWER,
    label: "viewer",
    meaning: "Sees processes, rows, reports, pipelines and events.",
  },
  { role: Role.UPLOADER, label: "uploader", meaning: "Sends files and repairs." },
  { role: Role.AUTHOR, label: "author", meaning: "Writes pipelines, and tries them on samples." },
  {
    role: Role.OPERATOR,
    label: "operator",
    meaning: "Pauses, resumes, cancels, retries, undoes and deletes processes.",
  },
  { role: Role.ADMIN, label: "admin", meaning: "Does everything in its tenant, and manages access." },
];

export function roleLabel(role: Role): string {
  return ROLES.find((known) => known.role === role)?.label ?? `role ${role}`;
}

/** "uploader or admin". */
export function anyOf(roles: readonly Role[]): string {
  const labels = roles.map(roleLabel);
  return labels.length < 2 ? (labels[0] ?? "") : `${labels.slice(0, -1).join(", ")} or ${labels.at(-1)}`;
}

function accessOf(method: DescMethod): MethodAccess {
  return getOption(method, access);
}

/** The roles that may call a method, as ingestor/access/roles.py decides it. */
export function rolesFor(method: DescMethod): readonly Role[] {
  const { roles, anyoneSignedIn } = accessOf(method);
  if (anyoneSignedIn || roles.includes(Role.VIEWER)) return ROLES.map(({ role }) => role);
  if (roles.length === 0) return [];
  return ROLES.map(({ role }) => role).filter((role) => role === Role.ADMIN || roles.includes(role));
}

/** The roles to ask for, without those that may do it because they may do everything. */
export function rolesToAskFor(method: DescMethod): readonly Role[] {
  return accessOf(method).roles;
}

interface MethodLine {
  readonly name: string;
  /** "Delete process". */
  readonly label: string;
  readonly roles: readonly Role[];
  /** Only admins of the platform's tenant. */
  readonly platform: boolean;
  readonly audited: boolean;
}

const GROUPS: readonly (readonly [string, DescService])[] = [
  ["Uploads", UploadService],
  ["Processes", StatusService],
  ["Running processes", OrchestratorService],
  ["Pipelines", PipelineService],
  ["Dry runs, undo, tables", ProcessorService],
  ["Access", AccessService],
];

/** Every public method by service, and who may call it. */
export function methodTable(): readonly {
  readonly title: string;
  readonly methods: readonly MethodLine[];
}[] {
  return GROUPS.map(([title, service]) => ({
    title,
    methods: service.methods
      .filter((method) => rolesFor(method).length > 0)
      .map((method) => ({
        name: method.name,
        label: inWords(method.name),
        roles: rolesFor(method),
        platform: accessOf(method).platform,
        audited: accessOf(method).audited,
      })),
  }));
}

/** Every public method as the audit log names it. */
export function methodNames(): readonly string[] {
  return GROUPS.flatMap(([, service]) =>
    service.methods
      .filter((method) => rolesFor(method).length > 0)
      .map((method) => `${service.typeName}/${method.name}`),
  );
}

/** "ingestor.v1.StatusService/DeleteProcess" or "DeleteProcess" → "Delete process". */
export function inWords(method: string): string {
  const name = method.slice(method.lastIndexOf("/") + 1);
  const words = name.replace(/(?<=[a-z])(?=[A-Z])/g, " ").toLowerCase();
  return words.charAt(0).toUpperCase() + words.slice(1);
}
