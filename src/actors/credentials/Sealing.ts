/** Sealing a secret into its version, with fingerprints that say which field changed and nothing more. */
import type { Keyring } from "../../crypto/Keyring.ts"
import { secretPurpose, type TenantSealer } from "../../crypto/TenantKeys.ts"
import type { SecretSealer } from "./Change.ts"

/** Hex digits of a keyed fingerprint that an audit diff shows. */
const fingerprintLength = 32
const encoder = new TextEncoder()

type Fingerprints = Pick<Keyring["Service"], "fingerprintAll">

/**
 * Equal for equal values of one field of one credential, and for nothing else. A value whose fingerprint is among
 * `known` keeps it, whichever key that was made with: so a rotation of the key makes nothing look changed.
 */
export const fingerprintOf =
  ({ fingerprintAll }: Fingerprints) =>
  (
    tenantId: string,
    credentialId: string,
    field: string,
    value: string,
    known: ReadonlyArray<string | undefined>
  ): string => {
    const all = fingerprintAll("credential", tenantId, credentialId, field, value).map((text) =>
      text.slice(0, fingerprintLength)
    )
    return all.find((fingerprint) => known.includes(fingerprint)) ?? all[0]!
  }

export const sealerOf =
  (keyring: Fingerprints) =>
  (tenantId: string, sealer: TenantSealer): SecretSealer => ({
    seal: (credentialId, version, secret, before) => {
      const plaintext = encoder.encode(JSON.stringify(secret))
      const { keyId, sealed } = sealer.seal({ credentialId, version, purpose: secretPurpose }, plaintext)
      plaintext.fill(0)
      const fingerprints = Object.entries(secret).map(([field, value]) => [
        field,
        fingerprintOf(keyring)(
          tenantId,
          credentialId,
          field,
          value,
          before.map((fingerprints) => fingerprints[field])
        )
      ])
      return { keyId, sealed, fingerprints: Object.fromEntries(fingerprints) as Record<string, string> }
    }
  })
