/** A credential as callers see it: everything but its secret, as of one moment. */
import { shownState } from "../../domain/Credential.ts"
import type { CredentialView } from "../../store/CredentialStore.ts"
import type { CredentialMetadata } from "./Credentials.ts"

export const metadataOf = ({ credential, serviceActive }: CredentialView, now: number): CredentialMetadata => {
  const { mac: _0, noticedMs: _1, rotation: _2, secretVersion: _3, state: _4, ...rest } = credential
  const state = shownState(credential, now)
  return { ...rest, state, reason: state === "expired" ? "expired" : credential.reason, serviceActive }
}
