/**
 * Client credentials that this replica may answer from memory.
 *
 * They lie beside the hot tokens and are believed by the same test (`domain/Belief.ts`, through `Beliefs`):
 * under the lease, not older than the tenant's covered sequence, its tombstone or the tenant's removal. A
 * revocation that is applied drops its entry, and with it the fingerprint of the password: nothing of it is
 * written anywhere else.
 *
 * Bounded; the oldest gives way. What is not usable is not kept.
 */

import {
  accepted,
  type ClientAnswer,
  type ClientName,
  type FoundClient,
  isGood,
  nameKey
} from "../../domain/ClientCredential.ts"
import { keyOf } from "../../schema/EcapFrame.ts"
import type { Beliefs } from "../validation/HotState.ts"
import type { TenantRecord } from "../validation/Records.ts"

export interface HotClient {
  readonly tenant: TenantRecord
  readonly credentialId: string
  readonly version: number
  readonly readSeq: number
  /** Keyed, of the password that was verified; null for a certificate. */
  readonly fingerprint: Uint8Array | null
  readonly answer: ClientAnswer
  /** Its first use is still to be told; set to false by who tells it. */
  isUnused: boolean
  /** Of a certificate. */
  readonly wireKey: string | null
}

/** Issuer and serial number in their shortest Avro encoding, a character a byte: as they lie in a question. */
export const wireKeyOf = ({ issuer, serialNumber }: Extract<ClientName, { readonly kind: "certificate" }>): string =>
  Buffer.from(keyOf(issuer, serialNumber)).toString("latin1")

export class HotClients {
  private readonly byName = new Map<string, HotClient>()
  private readonly names = new Map<string, string>()
  /** Certificates by the bytes that a question holds of them (`wireKey`), so that none is decoded to be found. */
  private readonly byWire = new Map<string, HotClient>()
  private readonly beliefs: Beliefs
  private readonly max: number

  constructor(beliefs: Beliefs, max: number) {
    this.beliefs = beliefs
    this.max = max
    beliefs.listen({
      applicationGone: () => {},
      applicationAppeared: () => {},
      clientGone: (_, credentialId) => this.drop(credentialId),
      tenantGone: (tenantId) => {
        for (const { credentialId, tenant } of Array.from(this.byName.values())) {
          if (tenant.tenantId === tenantId) this.drop(credentialId)
        }
      }
    })
  }

  get count(): number {
    return this.byName.size
  }

  /** What may be answered now. */
  find(key: string, leaseHolds: boolean): HotClient | undefined {
    const found = this.byName.get(key)
    return found !== undefined &&
      this.beliefs.believesClient(found.tenant, found.credentialId, found.readSeq, leaseHolds)
      ? found
      : undefined
  }

  /** The same of a certificate, by its `wireKey`. */
  findWire(key: string, leaseHolds: boolean): HotClient | undefined {
    const found = this.byWire.get(key)
    return found !== undefined &&
      this.beliefs.believesClient(found.tenant, found.credentialId, found.readSeq, leaseHolds)
      ? found
      : undefined
  }

  /** Whether a row that was read a while ago may still be answered. */
  believes({ credential, readSeq }: FoundClient, leaseHolds: boolean): boolean {
    const tenant = this.beliefs.tenant(credential.tenantId)
    return this.beliefs.believesClient(tenant, credential.credentialId, readSeq, leaseHolds, credential.version)
  }

  /** Keeps a usable one, if it may be believed and nothing newer is there. */
  keep(found: FoundClient, fingerprint: Uint8Array | null, leaseHolds: boolean): void {
    const { credential, readSeq } = found
    if (this.max === 0 || !isGood(credential) || !this.believes(found, leaseHolds)) return
    const key = nameKey(credential.name)
    const present = this.byName.get(key)
    if (present !== undefined && present.readSeq > readSeq) return
    if (present !== undefined) this.drop(present.credentialId)
    if (this.byName.size >= this.max) this.drop(this.byName.values().next().value!.credentialId)
    const { credentialId, status, tenantId, version } = credential
    const client: HotClient = {
      tenant: this.beliefs.tenant(tenantId),
      credentialId,
      version,
      readSeq,
      fingerprint,
      answer: accepted(credential),
      isUnused: status === "Inactive",
      wireKey: credential.name.kind === "certificate" ? wireKeyOf(credential.name) : null
    }
    this.byName.set(key, client)
    if (client.wireKey !== null) this.byWire.set(client.wireKey, client)
    this.names.set(credentialId, key)
  }

  /** Its first use is to be told again. */
  readonly markUnused = (credentialId: string): void => {
    const found = this.byName.get(this.names.get(credentialId) ?? "")
    if (found?.credentialId === credentialId) found.isUnused = true
  }

  private drop(credentialId: string): void {
    const key = this.names.get(credentialId)
    if (key === undefined) return
    this.names.delete(credentialId)
    const client = this.byName.get(key)
    if (client?.credentialId !== credentialId) return
    this.byName.delete(key)
    if (client.wireKey !== null) this.byWire.delete(client.wireKey)
  }
}
