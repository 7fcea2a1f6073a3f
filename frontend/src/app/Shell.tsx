import { ActionIcon, Menu, Tooltip, useMantineColorScheme } from "@mantine/core";
import {
  IconChartAreaLine,
  IconDeviceDesktop,
  IconListDetails,
  IconMoon,
  IconRoute,
  IconSun,
  IconUpload,
} from "@tabler/icons-react";
import { Link, Outlet, useRouterState } from "@tanstack/react-router";
import { useEffect, useRef } from "react";
import { ConnectionBanner } from "./ConnectionBanner";
import classes from "./Shell.module.css";

const PLACES = [
  { to: "/", label: "Overview", icon: IconChartAreaLine },
  { to: "/upload", label: "Upload", icon: IconUpload },
  { to: "/processes", label: "Processes", icon: IconListDetails },
  { to: "/pipelines", label: "Pipelines", icon: IconRoute },
] as const;

/** The frame around every screen: navigation, colour scheme, and what is said when a service is down. */
export function Shell() {
  useFocusOnNavigation();
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
          {PLACES.map(({ to, label, icon: Icon }) => (
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
          <ColorSchemeMenu />
        </div>
      </header>
      <div className={classes.body}>
        <ConnectionBanner />
        <main id="main" className={classes.main} tabIndex={-1}>
          <Outlet />
        </main>
      </div>
    </div>
  );
}

/** After a navigation the new screen's heading has the focus, so that a screen reader starts there. */
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
  { value: "light", label: "Light", icon: IconSun },
  { value: "dark", label: "Dark", icon: IconMoon },
  { value: "auto", label: "As the system", icon: IconDeviceDesktop },
] as const;

function ColorSchemeMenu() {
  const { colorScheme, setColorScheme } = useMantineColorScheme();
  const Current = SCHEMES.find(({ value }) => value === colorScheme)?.icon ?? IconSun;
  return (
    <Menu position="bottom-end" shadow="md" withinPortal>
      <Menu.Target>
        <Tooltip label="Colours">
          <ActionIcon variant="subtle" color="gray" size="lg" aria-label="Colours of the page">
            <Current size={18} stroke={1.75} aria-hidden />
          </ActionIcon>
        </Tooltip>
      </Menu.Target>
      <Menu.Dropdown>
        {SCHEMES.map(({ value, label, icon: Icon }) => (
          <Menu.Item
            key={value}
            leftSection={<Icon size={16} stroke={1.75} aria-hidden />}
            aria-current={value === colorScheme ? "true" : undefined}
            onClick={() => setColorScheme(value)}
          >
            {label}
          </Menu.Item>
        ))}
      </Menu.Dropdown>
    </Menu>
  );
}
