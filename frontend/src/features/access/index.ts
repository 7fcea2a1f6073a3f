/** What other features and the frame may import, besides queries.ts. */
export { AccountMenu } from "./account/AccountMenu";
export { Entry } from "./account/Entry";
export { RoleNeeded } from "./RoleNeeded";
export { Gate } from "./sign-in/Gate";
export { useMay, useMayAll, useSession } from "./use-access";
