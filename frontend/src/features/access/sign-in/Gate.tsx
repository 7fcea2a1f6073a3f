import { Button } from "@mantine/core";
import {
  createContext,
  lazy,
  type ReactNode,
  Suspense,
  useContext,
  useEffect,
  useState,
  useSyncExternalStore,
} from "react";
import { LoadingState } from "@/components/LoadingState";
import type { OidcConfig } from "./config";
import classes from "./Gate.module.css";
import type { OidcSignIn } from "./oidc";
import { type Start, start } from "./start";

const SignInAgain = lazy(() => import("./SignInAgain").then(({ SignInAgain }) => ({ default: SignInAgain })));

const SignedIn = createContext<OidcSignIn | null>(null);

/** The person who has signed in; null where nobody signs in. */
export function useSignedIn(): OidcSignIn | null {
  return useContext(SignedIn);
}

/** Shows the page to who has signed in, and takes everybody else to the provider. */
export function Gate({ children }: { readonly children: ReactNode }) {
  const [state, setState] = useState<Start | null>(null);
  useEffect(() => {
    void start().then(setState);
  }, []);
  switch (state?.phase) {
    case undefined:
    case "leaving":
      return (
        <main className={classes.screen}>
          <LoadingState lines={3} />
        </main>
      );
    case "local":
      return children;
    case "signed-in":
      return (
        <SignedIn value={state.signIn}>
          {children}
          <WhenEnded signIn={state.signIn} />
        </SignedIn>
      );
    case "handed-over":
      return (
        <Screen title="You are signed in">
          <p>Close this window and go on where you were.</p>
        </Screen>
      );
    case "signed-out":
      return (
        <Screen title="You are signed out" config={state.config}>
          <p>Sign in to see your processes and pipelines.</p>
        </Screen>
      );
    case "failed":
      return (
        <Screen
          title={state.config === null ? "The page could not start" : "Signing in failed"}
          config={state.config}
        >
          <p role="alert">{reasonOf(state.error)}</p>
        </Screen>
      );
  }
}

/** The dialog, loaded when it is needed first. */
function WhenEnded({ signIn }: { readonly signIn: OidcSignIn }) {
  const ended = useSyncExternalStore(signIn.subscribe, signIn.hasEnded);
  const [wanted, setWanted] = useState(false);
  if (ended && !wanted) setWanted(true);
  return (
    wanted && (
      <Suspense fallback={null}>
        <SignInAgain signIn={signIn} opened={ended} />
      </Suspense>
    )
  );
}

function reasonOf(error: unknown): string {
  if (globalThis.crypto.subtle === undefined) {
    return "Browsers sign in only over HTTPS, or on the machine itself. Open this page by its https address.";
  }
  if (error instanceof TypeError) {
    return "The server cannot be reached. Check the network, or ask your administrator, then try again.";
  }
  return error instanceof Error ? error.message : String(error);
}

interface ScreenProps {
  readonly title: string;
  readonly children: ReactNode;
  /** How to sign in; null: reload the page to find out; undefined: there is nothing to do. */
  readonly config?: OidcConfig | null;
}

function Screen({ title, children, config }: ScreenProps) {
  const [problem, setProblem] = useState("");
  const onSignIn = async () => {
    if (config === null || config === undefined) {
      globalThis.location.reload();
      return;
    }
    setProblem("");
    try {
      const { goToSignIn } = await import("./oidc");
      await goToSignIn(config, "/");
    } catch (error) {
      setProblem(reasonOf(error));
    }
  };
  return (
    <main className={classes.screen}>
      <title>{`${title} · Data Ingestor`}</title>
      <img src="/favicon.svg" alt="" width={40} height={40} />
      <h1>{title}</h1>
      {children}
      {config !== undefined && (
        <Button onClick={() => void onSignIn()}>{config === null ? "Try again" : "Sign in"}</Button>
      )}
      {problem !== "" && <p role="alert">{problem}</p>}
    </main>
  );
}
