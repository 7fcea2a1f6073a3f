// @vitest-environment jsdom
import { create, type DescService } from "@bufbuild/protobuf";
import { timestampDate, timestampNow } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError, createClient, createRouterTransport } from "@connectrpc/connect";
import { MantineProvider } from "@mantine/core";
import { QueryClientProvider } from "@tanstack/react-query";
import { fireEvent, render, screen, waitFor, within } from "@testing-library/react";
import type { ReactNode } from "react";
import { beforeEach, describe, expect, it, vi } from "vitest";
import {
  AccessService,
  type ApiKey,
  ApiKeySchema,
  ErrorInfoSchema,
  GetAccessResponseSchema,
  type Member,
  MemberSchema,
  PipelineService,
  type Quota,
  QuotaSchema,
  Role,
  UploadService,
} from "@/api/contract";
import { createQueryClient } from "@/api/query-client";
import { currentSession, setSession } from "@/api/session";
import { ErrorState } from "@/components/ErrorState";
import { Entry } from "./account/Entry";
import { KeysPanel } from "./keys/KeysPanel";
import { MembersPanel } from "./members/MembersPanel";
import { QuotasPanel } from "./quotas/QuotasPanel";
import { RoleNeeded } from "./RoleNeeded";
import { rolesFor } from "./roles/roles";
import { methodName, useMay } from "./use-access";

/** A tenant with keys, members and quotas, as the service keeps them. */
const fake = vi.hoisted(() => ({
  keys: [] as ApiKey[],
  members: [] as Member[],
  quotas: [] as Quota[],
  roles: [] as Role[],
  refusal: null as ConnectError | null,
}));

vi.mock("@/api/clients", () => {
  const transport = createRouterTransport(({ service }) => {
    service(PipelineService, { listPipelines: () => ({}) });
    service(AccessService, {
      getAccess: () => {
        if (fake.refusal !== null) throw fake.refusal;
        return me(fake.roles);
      },
      listKeys: () => ({ keys: fake.keys }),
      createKey: ({ name, roles, pipelines, expireTime }) => {
        const prefix = `ing_${String(fake.keys.length).padStart(8, "0")}`;
        const key = create(ApiKeySchema, {
          prefix,
          name,
          roles,
          pipelines,
          creator: "ada",
          createTime: timestampNow(),
          ...(expireTime === undefined ? {} : { expireTime }),
        });
        fake.keys.unshift(key);
        return { key, token: `${prefix}_secret` };
      },
      revokeKey: ({ prefix }) => {
        const key = fake.keys.find((one) => one.prefix === prefix);
        if (key === undefined) throw new ConnectError("no such key", Code.NotFound);
        key.revokeTime = timestampNow();
        return { key };
      },
      listMembers: () => ({ members: fake.members }),
      setMember: ({ subject, roles }) => {
        fake.members = fake.members.filter((one) => one.subject !== subject);
        const member = create(MemberSchema, { subject, roles, creator: "ada", updateTime: timestampNow() });
        fake.members.push(member);
        return { member };
      },
      removeMember: ({ subject }) => {
        fake.members = fake.members.filter((one) => one.subject !== subject);
        return {};
      },
      getQuotas: () => ({ quotas: fake.quotas }),
    });
  });
  return {
    accessClient: createClient(AccessService, transport),
    pipelineClient: createClient(PipelineService, transport),
  };
});

const SERVICES: readonly DescService[] = [AccessService, UploadService, PipelineService];

function me(roles: readonly Role[]) {
  const methods = SERVICES.flatMap((service) => service.methods);
  return create(GetAccessResponseSchema, {
    subject: "ada",
    tenant: "acme",
    tenants: ["acme"],
    roles: [...roles],
    methods: methods
      .filter((method) => rolesFor(method).some((role) => roles.includes(role)))
      .map(methodName),
  });
}

const SIGN_IN = {
  subject: "ada",
  token: async () => "t",
  replace: async () => "t",
  freshen: async () => undefined,
};

function show(children: ReactNode) {
  render(
    <MantineProvider env="test">
      <QueryClientProvider client={createQueryClient()}>{children}</QueryClientProvider>
    </MantineProvider>,
  );
}

beforeEach(() => {
  Object.assign(fake, { keys: [], members: [], quotas: [], roles: [Role.ADMIN], refusal: null });
  setSession({ signIn: SIGN_IN, tenant: "" });
});

describe("API keys", () => {
  it("shows a new key once, and lists it without its secret", async () => {
    show(<KeysPanel />);
    fireEvent.click(await screen.findByRole("button", { name: "New key" }));
    fireEvent.change(await screen.findByLabelText("Name"), { target: { value: " Nightly " } });
    fireEvent.click(screen.getByLabelText("uploader"));
    fireEvent.change(screen.getByLabelText("Ends"), { target: { value: "30" } });
    fireEvent.click(screen.getByRole("button", { name: "Create key" }));
    expect((await screen.findByDisplayValue("ing_00000000_secret")).getAttribute("readonly")).not.toBeNull();
    fireEvent.click(screen.getByRole("button", { name: "I have stored it" }));
    await waitFor(() => expect(screen.queryByDisplayValue("ing_00000000_secret")).toBeNull());

    const line = within(await screen.findByRole("row", { name: /Nightly/ }));
    line.getByText("ing_00000000…");
    line.getByText("uploader");
    line.getByText("viewer");
    const [key] = fake.keys;
    expect(key?.roles).toEqual([Role.VIEWER, Role.UPLOADER]);
    const days = ((key?.expireTime ? timestampDate(key.expireTime).getTime() : 0) - Date.now()) / 86_400_000;
    expect(Math.round(days)).toBe(30);
  });

  it("asks before it revokes a key, and then offers it no more", async () => {
    fake.keys = [create(ApiKeySchema, { prefix: "ing_11111111", name: "Old", roles: [Role.VIEWER] })];
    show(<KeysPanel />);
    fireEvent.click(await screen.findByRole("button", { name: /^Revoke.*Old/ }));
    expect(fake.keys[0]?.revokeTime).toBeUndefined();
    fireEvent.click(await screen.findByRole("button", { name: "Revoke key" }));
    await screen.findByText(/^revoked/);
    expect(fake.keys[0]?.revokeTime).toBeDefined();
    await waitFor(() => expect(screen.queryByRole("button", { name: /^Revoke.*Old/ })).toBeNull());
  });
});

describe("members", () => {
  it("are added, changed and removed", async () => {
    show(<MembersPanel />);
    fireEvent.click(await screen.findByRole("button", { name: "Add member" }));
    fireEvent.change(await screen.findByLabelText("Person"), { target: { value: "bob@example.com" } });
    fireEvent.click(within(screen.getByRole("dialog")).getByRole("button", { name: "Add member" }));
    fireEvent.click(await screen.findByRole("button", { name: /^Change roles/ }));
    fireEvent.click(await screen.findByLabelText("viewer"));
    fireEvent.click(screen.getByLabelText("operator"));
    fireEvent.click(screen.getByRole("button", { name: "Save roles" }));
    await waitFor(() => expect(fake.members[0]?.roles).toEqual([Role.OPERATOR]));
    fireEvent.click(await screen.findByRole("button", { name: /^Remove.*bob/ }));
    fireEvent.click(await screen.findByRole("button", { name: "Remove member" }));
    await screen.findByText("No members yet");
  });
});

describe("quotas", () => {
  it("say how much is used, and until when", async () => {
    fake.quotas = [
      create(QuotaSchema, { name: "pipelines", used: 3n }),
      create(QuotaSchema, {
        name: "bytes_per_day",
        limit: 2048n,
        used: 1024n,
        resetTime: { seconds: BigInt(Date.UTC(2026, 0, 31) / 1000) },
      }),
    ];
    show(<QuotasPanel />);
    await screen.findByText("1.0 KiB of 2.0 KiB used");
    screen.getByText(/Starts again from 0 at 3[01] Jan 2026/);
    screen.getByText("3 used, no limit");
    expect(screen.getAllByRole("heading").map(({ textContent }) => textContent)).toEqual([
      "Bytes per day",
      "Pipelines",
    ]);
  });

  it("that are exceeded are named in the error", () => {
    const metadata = { quota: "bytes_stored", limit: "2048", used: "2048" };
    const error = new ConnectError("The quota is used up.", Code.ResourceExhausted, undefined, [
      { desc: ErrorInfoSchema, value: { reason: "QUOTA_EXCEEDED", domain: "ingestor", metadata } },
    ]);
    show(<ErrorState error={error} />);
    expect(screen.getByRole("alert").textContent).toContain("Storage: 2.0 KiB of 2.0 KiB used.");
  });
});

function Send() {
  const { createUpload } = UploadService.method;
  return useMay(createUpload) ? <p>Drop files</p> : <RoleNeeded to="To send files" method={createUpload} />;
}

describe("what the person may do", () => {
  it("is offered", async () => {
    fake.roles = [Role.UPLOADER];
    show(<Send />);
    await screen.findByText("Drop files");
  });

  it("is all that is offered", async () => {
    fake.roles = [Role.VIEWER];
    show(
      <Entry>
        <Send />
      </Entry>,
    );
    await screen.findByText(/^To send files, you need the role uploader or author\./);
    expect(screen.queryByText("Drop files")).toBeNull();
  });

  it("is everything where nobody signs in", () => {
    setSession({ signIn: null });
    fake.refusal = new ConnectError("not asked", Code.Internal);
    show(
      <Entry>
        <Send />
      </Entry>,
    );
    screen.getByText("Drop files");
  });
});

describe("the tenant", () => {
  const refusal = (reason: string, metadata: Record<string, string> = {}) =>
    new ConnectError("no", Code.PermissionDenied, undefined, [
      { desc: ErrorInfoSchema, value: { reason, domain: "ingestor", metadata } },
    ]);

  it("is asked for when there are several", async () => {
    fake.refusal = refusal("TENANT_NOT_CHOSEN", { tenants: "acme,globex" });
    show(<Entry>inside</Entry>);
    await screen.findByRole("button", { name: "acme" });
    fireEvent.click(screen.getByRole("button", { name: "globex" }));
    expect(currentSession().tenant).toBe("globex");
    expect(screen.queryByText("inside")).toBeNull();
  });

  it("that is the only one stays the person's when another is added", async () => {
    const { generation } = currentSession();
    show(<Entry>inside</Entry>);
    await screen.findByText("inside");
    expect(currentSession()).toMatchObject({ tenant: "acme", generation });
  });

  it("of the last time is forgotten when the person is not in it any more", async () => {
    setSession({ tenant: "gone" });
    fake.refusal = refusal("NOT_A_MEMBER");
    show(<Entry>inside</Entry>);
    await waitFor(() => expect(currentSession().tenant).toBe(""));
    expect(screen.queryByText("inside")).toBeNull();
  });
});
