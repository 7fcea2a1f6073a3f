import { Button, Modal } from "@mantine/core";
import { useState } from "react";
import classes from "./Gate.module.css";
import type { OidcSignIn } from "./oidc";

interface SignInAgainProps {
  readonly signIn: OidcSignIn;
  readonly opened: boolean;
}

/** Asks the person to sign in again when the session has ended; everything on the page stays. */
export function SignInAgain({ signIn, opened }: SignInAgainProps) {
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
      opened={opened}
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
