import { lazy, Suspense } from "react";
import { useSignedIn } from "../sign-in/Gate";

const Account = lazy(() => import("./Account").then(({ Account }) => ({ default: Account })));

/** The account of who has signed in; nothing where nobody signs in. */
export function AccountMenu() {
  const signIn = useSignedIn();
  return (
    signIn && (
      <Suspense fallback={null}>
        <Account signIn={signIn} />
      </Suspense>
    )
  );
}
