import { ActionIcon, Tooltip, useMantineColorScheme } from "@mantine/core";
import {
  IconChartAreaLine,
  IconDeviceDesktop,
  IconListDetails,
  IconMoon,
  IconRoute,
  IconShieldLock,
  IconSun,
  IconUpload,
} from "@tabler/icons-react";
import { Link, Outlet, useRouterState } from "@tanstack/react-router";
import { lazy, Suspense, useEffect, useRef } from "react";
import { UploadService } from "@/api/contract";
import { AccountMenu, Entry, useMay } from "@/features/access";
import { ConnectionBanner } from "./ConnectionBanner";
import classes from "./Shell.module.css";

const PLACES = [
  { to: "/", label: "Overview", icon: IconChartAreaLine },
  { to: "/upload", label: "Upload", icon: IconUpload },
  { to: "/processes", label: "Processes", icon: IconListDetails },
  { to: "/pipelines", label: "Pipelines", icon: IconRoute },
  { to: "/access", label: "Access", icon: IconShieldLock },
] as const;

/** Not needed for the first paint. */
const DropAnywhere = lazy(async () => ({ default: (await import("@/features/upload")).DropAnywhere }));

/** The frame around every screen: navigation, colour scheme, and the banner for outages. */
export function Shell() {
  useFocusOnNavigation();
  const maySend = useMay(UploadService.method.createUpload);
  const places = PLACES.filter(({ to }) => to !== "/upload" || maySend);
  return (
    <div className={classes.shell}>
      <a className={classes.skip} href="#main">
        Skip to content
      </a>
      <header className={classes.header}>
        <Link to="/" className={classes.brand} aria-label="Data Ingestor, overview">
          <img src="/favicon.svg" alt="" width={24} height={24} />
          <span>Data Ingestor</span>
        </Link>
        <nav className={classes.nav} aria-label="Main">
          {places.map(({ to, label, icon: Icon }) => (
            <Link
              key={to}
              to={to}
              className={classes.place}
              activeOptions={{ exact: to === "/", includeSearch: false }}
              activeProps={{ className: classes.active, "aria-current": "page" }}
            >
              <Icon size={18} stroke={1.75} aria-hidden />
              <span>{label}</span>
            </Link>
          ))}
        </nav>
        <div className={classes.tools}>
          <AccountMenu />
          <ColorSchemeButton />
        </div>
      </header>
      {maySend && (
        <Suspense>
          <DropAnywhere />
        </Suspense>
      )}
      <div className={classes.body}>
        <ConnectionBanner />
        <main id="main" className={classes.main} tabIndex={-1}>
          <Entry>
            <Outlet />
          </Entry>
        </main>
      </div>
    </div>
  );
}

/** Moves the focus to the new screen's heading after a navigation, so that a screen reader starts there. */
function useFocusOnNavigation(): void {
  const path = useRouterState({ select: (state) => state.resolvedLocation?.pathname });
  const before = useRef<string | undefined>(undefined);
  useEffect(() => {
    if (path === undefined) return;
    const first = before.current === undefined;
    if (before.current === path) return;
    before.current = path;
    if (first) return;
    const heading = document.querySelector<HTMLElement>("main h1") ?? document.getElementById("main");
    if (heading?.tagName === "H1") heading.tabIndex = -1;
    heading?.focus({ preventScroll: true });
  }, [path]);
}

const SCHEMES = [
  { value: "auto", label: "system", icon: IconDeviceDesktop },
  { value: "light", label: "light", icon: IconSun },
  { value: "dark", label: "dark", icon: IconMoon },
] as const;

/** Switches to the next colour scheme and remembers it. */
function ColorSchemeButton() {
  const { colorScheme, setColorScheme } = useMantineColorScheme();
  const at = SCHEMES.findIndex(({ value }) => value === colorScheme);
  const current = SCHEMES[at] ?? SCHEMES[0];
  const next = SCHEMES[(at + 1) % SCHEMES.length] ?? SCHEMES[0];
  const Icon = current.icon;
  const label = `Colours: ${current.label}. Switch to ${next.label}`;
  return (
    <Tooltip label={label}>
      <ActionIcon
        variant="subtle"
        color="gray"
        size="lg"
        aria-label={label}
        onClick={() => setColorScheme(next.value)}
      >
        <Icon size={18} stroke={1.75} aria-hidden />
      </ActionIcon>
    </Tooltip>
  );
}
