/**
 * A provider as a tenant has it: its definition as it was written, beside what is sealed for it.
 *
 * Client secrets and keys lie in the row of `credential_versions` with the entry's own id and version,
 * so that they are sealed, moved to newer keys and wiped as every secret of the tenant is.
 */
import { type Provider, type ProviderFields, providerOf } from "./Provider.ts"

export interface ProviderEntry {
  readonly tenantId: string
  readonly name: string
  /** UUIDv7: what its secrets are kept under. */
  readonly providerId: string
  readonly version: number
  readonly definition: ProviderFields
  readonly clientId: string | null
  /** How many client secrets are sealed. */
  readonly secrets: number
  readonly hasKey: boolean
  readonly updatedAt: number
  /** The row's tag (`crypto/RowTags.ts`), as it was read. */
  readonly mac?: Uint8Array | undefined
}

/** That a tenant may have of its own. */
export const providersMax = 1_000

/** What is sealed for an entry. */
export interface ProviderSecrets {
  readonly clientSecrets: ReadonlyArray<string>
  /** A private JWK, as JSON. */
  readonly clientKey: string | null
}

export const providerOrigins = ["tenant", "global", "built_in"] as const
export type ProviderOrigin = (typeof providerOrigins)[number]

/** A provider that a tenant may name, whoever defined it. */
export interface KnownProvider {
  readonly provider: Provider
  readonly origin: ProviderOrigin
  readonly entry: ProviderEntry | null
}

export const ofEntry = (entry: ProviderEntry, tenantId: string): KnownProvider => ({
  provider: providerOf(entry.definition),
  origin: entry.tenantId === tenantId ? "tenant" : "global",
  entry
})
