/** The commands on endpoint tokens, as decisions over a workspace: each checks everything before it changes anything. */
export { deleteToken, deleteTokensOfEndpoint, endTokens, purgeTokens } from "./endings.ts"
export { type ProvisionPlan, provision } from "./provision.ts"
export { rotate } from "./rotate.ts"
export { type HashedValue, type ResolvedRef, toRecord } from "./tokenRows.ts"
export { activateOnFirstUse, transition } from "./transition.ts"
