/**
 * What is sealed in a version of a credential, as text: a secret, or a provider's answer. What does not open was changed,
 * or put there, by somebody who writes to the database; who asks says what that means.
 */
import { Effect } from "effect"
import { secretPurpose, type TenantKeys } from "../crypto/TenantKeys.ts"
import type { CredentialVersion } from "../domain/Credential.ts"
import * as errors from "../domain/errors.ts"

const decoder = new TextDecoder()

export const keyFailed = () => new errors.Unavailable({ part: "data key", committed: false })

export const make =
  (tenantKeys: TenantKeys["Service"]) =>
  (
    tenantId: string,
    { credentialId, sealed, version }: CredentialVersion
  ): Effect.Effect<string, errors.Unavailable | errors.RowChanged> =>
    Effect.matchEffect(
      tenantKeys.openFor(tenantId, { credentialId, version, purpose: secretPurpose }, sealed ?? new Uint8Array()),
      {
        onSuccess: (plaintext) =>
          Effect.sync(() => {
            const text = decoder.decode(plaintext)
            plaintext.fill(0)
            return text
          }),
        onFailure: (error): Effect.Effect<never, errors.Unavailable | errors.RowChanged> =>
          error._tag === "TenantKeyUnavailable"
            ? Effect.fail(keyFailed())
            : Effect.fail(new errors.RowChanged({ kind: "credential", id: credentialId }))
      }
    )
