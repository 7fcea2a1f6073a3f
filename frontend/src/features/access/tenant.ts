/** The tenant in which the page works. */
import { currentSession, setSession } from "@/api/session";

const KEY = "ingestor-tenant";

/** What was chosen in this tab, else last in this browser. */
export function rememberedTenant(): string {
  return sessionStorage.getItem(KEY) ?? localStorage.getItem(KEY) ?? "";
}

/** Works in another tenant from now on; "": in the only one, if there is only one. */
export function chooseTenant(tenant: string): void {
  if (tenant === "") {
    sessionStorage.removeItem(KEY);
    localStorage.removeItem(KEY);
  } else {
    sessionStorage.setItem(KEY, tenant);
    localStorage.setItem(KEY, tenant);
  }
  setSession({ tenant, generation: currentSession().generation + 1 });
}
