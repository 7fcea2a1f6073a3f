import { Code } from "@connectrpc/connect";
import { beforeEach, describe, expect, it, vi } from "vitest";
import { UploadState } from "@/api/contract";
import { crc32c } from "../hashing/crc32c";
import { FakeServer, refusal, unavailable } from "./fake-server";
import { FileChangedError, type UploadPorts, type UploadRecord } from "./ports";
import { type UploadOptions, type UploadPhase, UploadTask } from "./task";

const CONTENT = "id,name\n1,Anna\n2,Bert\n";
const JSON_ROWS = { pipeline: "", dialectJson: "" };

/** One browser: its tabs share memory and locks. */
class Browser {
  readonly records = new Map<string, UploadRecord>();
  private readonly holders = new Map<string, Promise<void>>();
  private ids = 0;
  private time = 0;

  ports(server: FakeServer): UploadPorts {
    return {
      calls: server.calls,
      memory: {
        get: async (fingerprint) => this.records.get(fingerprint) ?? null,
        put: async (record) => void this.records.set(record.fingerprint, record),
        remove: async (fingerprint) => void this.records.delete(fingerprint),
        list: async () => [...this.records.values()],
      },
      readPiece: async (file, start, end) => {
        const data = new Uint8Array(await file.slice(start, end).arrayBuffer());
        return { data, crc32c: crc32c(data) };
      },
      hash: async (file) => new TextEncoder().encode(`hash of ${file.size}`),
      exclusively: async (name, _signal, onWait, task) => {
        const before = this.holders.get(name);
        if (before !== undefined) onWait();
        const mine = Promise.resolve(before).then(task);
        this.holders.set(name, mine);
        await mine;
      },
      pause: async () => undefined,
      now: () => (this.time += 500),
      newId: () => `request-${++this.ids}`,
    };
  }
}

let server: FakeServer;
let browser: Browser;

beforeEach(() => {
  server = new FakeServer();
  browser = new Browser();
});

const table = (content = CONTENT) => new File([content], "people.csv", { lastModified: 1 });

function begin(file = table(), options: UploadOptions = {}) {
  const phases: UploadPhase[] = [];
  const task: UploadTask = new UploadTask("1", file, options, browser.ports(server), () => {
    if (phases.at(-1) !== task.state.phase) phases.push(task.state.phase);
  });
  return { task, phases, ended: task.run() };
}

const until = (condition: () => boolean) =>
  vi.waitFor(() => expect(condition()).toBe(true), { timeout: 2_000, interval: 1 });

describe("a file that is checked after it was sent", () => {
  it("is refused with the reason, and removed from the server", async () => {
    const check = async (uploadId: string) => ({ title: "No report", happened: `${uploadId} lacks _row.` });
    const { task, phases, ended } = begin(table(), { repairs: "p", check });
    await ended;
    expect(phases).toEqual(["sending", "sent", "refused"]);
    expect(task.state.problem).toMatchObject({ title: "No report", happened: "upload-1 lacks _row." });
    expect(server.completions).toEqual([]);
    expect(server.uploads[0]?.upload.state).toBe(UploadState.ABORTED);
    expect(browser.records.size).toBe(0);
  });

  it("is completed when the check finds nothing", async () => {
    const { task, ended } = begin(table(), { repairs: "p", check: async () => null });
    await ended;
    expect(task.state.phase).toBe("completed");
  });
});

it("says that a file changed while it was sent", async () => {
  const ports = browser.ports(server);
  const task = new UploadTask(
    "1",
    table(),
    {},
    {
      ...ports,
      readPiece: async (file, start, end) => {
        if (start > 0) throw new FileChangedError("it is gone");
        return ports.readPiece(file, start, end);
      },
    },
    () => undefined,
  );
  void task.run();
  await until(() => task.state.phase === "failed");
  expect(task.state.problem?.title).toBe("The file changed while it was sent");
  expect(task.state.problem?.advice).toMatch(/Choose it again/);
});

describe("an upload", () => {
  it("sends every byte in order, then completes with the hash", async () => {
    const { task, phases, ended } = begin();
    await until(() => task.state.phase === "sent");
    expect(server.received).toBe(CONTENT);
    expect(server.completions).toEqual([]);
    task.complete({ pipeline: "people", dialectJson: "" });
    await ended;
    expect(phases).toEqual(["sending", "sent", "completing", "completed"]);
    expect(task.state.processId).toBe("process-of-upload-1");
    expect(server.completions).toEqual([
      { pipeline: "people", repairs: "", sha256: `hash of ${CONTENT.length}` },
    ]);
  });

  it("completes by itself when requested before everything was sent", async () => {
    const { task, ended } = begin();
    task.complete(JSON_ROWS);
    await ended;
    expect(task.state.phase).toBe("completed");
  });

  it("completes a repair by itself", async () => {
    const { task, ended } = begin(table(), { repairs: "p-1" });
    await ended;
    expect(task.state.phase).toBe("completed");
    expect(server.completions[0]?.repairs).toBe("p-1");
  });

  it("is refused before anything is sent when it cannot be a table", async () => {
    const { task, ended } = begin(new File(["%PDF-1.7 ..."], "scan.pdf"));
    await ended;
    expect(task.state.phase).toBe("refused");
    expect(task.state.problem?.happened).toContain("a PDF document");
    expect(server.uploads).toEqual([]);
  });
});

describe("when the connection is lost", () => {
  it("waits and resumes at the server's offset", async () => {
    let failures = 3;
    server.trouble = (call, size) =>
      call !== "createUpload" && size >= 8 && failures-- > 0 ? unavailable() : undefined;
    const { task, phases, ended } = begin(table(), { completion: JSON_ROWS });
    await ended;
    expect(server.received).toBe(CONTENT);
    expect(phases).toContain("reconnecting");
    expect(task.state.phase).toBe("completed");
    expect(task.state.problem).toBeNull();
  });

  it("does not send a chunk twice when only the answer was lost", async () => {
    let lost = false;
    server.lostAnswer = (size) => {
      if (size !== 8 || lost) return undefined;
      lost = true;
      return unavailable();
    };
    const { ended } = begin(table(), { completion: JSON_ROWS });
    await ended;
    expect(lost).toBe(true);
    expect(server.received).toBe(CONTENT);
  });

  it("resends a damaged piece, but not forever", async () => {
    let damaged = 2;
    server.trouble = (call) =>
      call === "writeChunk" && damaged-- > 0 ? refusal(Code.Aborted, "CHECKSUM_MISMATCH") : undefined;
    await begin(table(), { completion: JSON_ROWS }).ended;
    expect(server.received).toBe(CONTENT);

    server.trouble = (call) =>
      call === "writeChunk" ? refusal(Code.Aborted, "CHECKSUM_MISMATCH") : undefined;
    const { task } = begin(table("a,b\n1,2\n"));
    await until(() => task.state.phase === "failed");
    expect(task.state.problem?.reason).toBe("CHECKSUM_MISMATCH");
  });

  it("can be resumed after an error that a person must resolve", async () => {
    server.trouble = (call, size) =>
      call === "writeChunk" && size >= 8 ? refusal(Code.ResourceExhausted, "STORE_FULL") : undefined;
    const { task, ended } = begin(table(), { completion: JSON_ROWS });
    await until(() => task.state.phase === "failed");
    expect(task.state.problem?.title).toBe("Storage is full");
    server.trouble = () => undefined;
    task.resume();
    await ended;
    expect(server.uploads.length).toBe(1);
    expect(server.received).toBe(CONTENT);
  });

  it("can be completed again after a refused completion", async () => {
    server.trouble = (call) =>
      call === "completeUpload" ? refusal(Code.NotFound, "PIPELINE_NOT_FOUND") : undefined;
    const { task, ended } = begin(table(), { completion: { pipeline: "gone", dialectJson: "" } });
    await until(() => task.state.phase === "failed");
    server.trouble = () => undefined;
    task.complete({ pipeline: "people", dialectJson: "" });
    await ended;
    expect(server.completions.map(({ pipeline }) => pipeline)).toEqual(["people"]);
  });
});

describe("pause, resume, cancel", () => {
  it("sends nothing while paused", async () => {
    const { task, ended } = begin(table(), { completion: JSON_ROWS });
    task.pause();
    await until(() => task.state.phase === "paused");
    const before = server.received;
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(server.received).toBe(before);
    task.resume();
    await ended;
    expect(server.received).toBe(CONTENT);
  });

  it("discards a cancelled upload on both sides", async () => {
    const { task, ended } = begin();
    await until(() => task.state.phase === "sent");
    await task.cancel();
    await ended;
    expect(task.state.phase).toBe("cancelled");
    expect(browser.records.size).toBe(0);
    expect(server.uploads[0]?.upload.state).toBe(3);
  });
});

describe("after a reload", () => {
  it("the same file resumes where it stopped", async () => {
    server.trouble = (call, size) =>
      call === "writeChunk" && size >= 8 ? refusal(Code.Internal, "") : undefined;
    const first = begin();
    await until(() => first.task.state.phase === "failed");

    // The page is gone, and its lock with it; its memory remains.
    const { records } = browser;
    browser = new Browser();
    for (const [key, record] of records) browser.records.set(key, record);
    server.trouble = () => undefined;
    const again = begin(table(), { completion: JSON_ROWS });
    await again.ended;
    expect(again.task.state.resumedAt).toBe(8);
    expect(server.uploads.length).toBe(1);
    expect(server.received).toBe(CONTENT);
  });

  it("another file starts from the beginning", async () => {
    const first = begin();
    await until(() => first.task.state.phase === "sent");
    const other = begin(table("id\n1\n"), { completion: JSON_ROWS });
    await other.ended;
    expect(server.uploads.length).toBe(2);
    expect(server.received).toBe("id\n1\n");
  });

  it("a file sent before is sent again, and points to its process", async () => {
    await begin(table(), { completion: JSON_ROWS }).ended;
    const again = begin(table(), { completion: JSON_ROWS });
    await again.ended;
    expect(again.task.state.earlierProcessId).toBe("process-of-upload-1");
    expect(again.task.state.processId).toBe("process-of-upload-2");
  });
});

describe("a server that stores large pieces", () => {
  beforeEach(() => {
    server.pieceSize = 8;
  });

  it("is told where the file ends", async () => {
    const { task, ended } = begin(table(), { completion: JSON_ROWS });
    await ended;
    expect(task.state.phase).toBe("completed");
    expect(server.received).toBe(CONTENT);
    expect(task.state.committed).toBe(CONTENT.length);
  });

  it("gets again what waited when it was started again", async () => {
    let restarts = 2;
    const received: number[] = [];
    server.trouble = (call, size) => {
      if (call === "writeChunk") received.push(size);
      if (call === "writeChunk" && size % 8 === 4 && restarts-- > 0) server.restart();
    };
    const { task, ended } = begin(table(), { completion: JSON_ROWS });
    await ended;
    expect(task.state.phase).toBe("completed");
    expect(server.received).toBe(CONTENT);
    expect(received.filter((size) => size === 4).length).toBeGreaterThan(1);
  });

  it("is asked for its offset when an answer is lost", async () => {
    let lost = 1;
    server.lostAnswer = (size) => (size === 12 && lost-- > 0 ? unavailable() : undefined);
    const { task, ended } = begin(table(), { completion: JSON_ROWS });
    await ended;
    expect(task.state.phase).toBe("completed");
    expect(server.received).toBe(CONTENT);
  });
});

describe("two tabs with the same file", () => {
  it("take turns, and the second does not send again what the first completed", async () => {
    const first = begin();
    await until(() => first.task.state.phase === "sent");
    const second = begin();
    await until(() => second.task.state.phase === "elsewhere");
    first.task.complete(JSON_ROWS);
    await Promise.all([first.ended, second.ended]);
    expect(second.task.state.phase).toBe("completed");
    expect(second.task.state.processId).toBe(first.task.state.processId);
    expect(server.uploads.length).toBe(1);
  });
});
