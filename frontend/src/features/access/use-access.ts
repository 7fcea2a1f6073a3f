/** Who the caller is and what it may do. */
import type { DescMethod } from "@bufbuild/protobuf";
import { useQuery } from "@tanstack/react-query";
import { useCallback, useSyncExternalStore } from "react";
import { currentSession, subscribeToSession } from "@/api/session";
import { accessQuery } from "./me";

export function useSession() {
  return useSyncExternalStore(subscribeToSession, currentSession);
}

/** The name of a method as GetAccess has it: "ingestor.v1.StatusService/GetProcess". */
export function methodName(method: DescMethod): string {
  return `${method.parent.typeName}/${method.name}`;
}

/**
 * Whether the caller may call a method: `may(StatusService.method.deleteProcess)`. The page offers nothing that
 * may not be done; the services decide. Without sign-in everybody is the local admin.
 */
export function useMayAll(): (method: DescMethod) => boolean {
  const { signIn } = useSession();
  const { data } = useQuery({ ...accessQuery(), enabled: signIn !== null });
  return useCallback(
    (method) => signIn === null || (data?.methods.includes(methodName(method)) ?? false),
    [signIn, data],
  );
}

/** Whether the caller may call the method. */
export function useMay(method: DescMethod): boolean {
  return useMayAll()(method);
}
