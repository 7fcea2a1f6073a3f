import type { Browser } from "playwright-core";

export const GATEWAY: string;
export function launch(): Promise<Browser>;
