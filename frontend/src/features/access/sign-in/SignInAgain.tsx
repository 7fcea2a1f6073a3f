import { Button, Modal } from "@mantine/core";
import { useState, useSyncExternalStore } from "react";
import classes from "./Gate.module.css";
import type { OidcSignIn } from "./oidc";

/** Asks the person to sign in again when the session has ended; everything on the page stays. */
export function SignInAgain({ signIn }: { readonly signIn: OidcSignIn }) {
  const ended = useSyncExternalStore(signIn.subscribe, signIn.hasEnded);
  const [problem, setProblem] = useState("");
  const again = async () => {
    setProblem("");
    try {
      await signIn.again();
    } catch (error) {
      setProblem(error instanceof Error ? error.message : String(error));
    }
  };
  return (
    <Modal
      opened={ended}
      onClose={() => undefined}
      withCloseButton={false}
      closeOnEscape={false}
      closeOnClickOutside={false}
      title="Sign in again"
    >
      <p>
        Your session has ended. A window opens in which you sign in as {signIn.name}. What you have typed is
        kept, and uploads go on.
      </p>
      {problem !== "" && (
        <p role="alert" className={classes.problem}>
          {problem}
        </p>
      )}
      <Button mt="md" data-autofocus onClick={() => void again()}>
        Sign in
      </Button>
    </Modal>
  );
}
