/**
 * A validation path whose every neighbour is in the test's hands: a lookup that answers when told,
 * a shared cache in a Map, two clocks that stand still, a lease that holds until it is taken.
 */
import { createHmac } from "node:crypto"
import { Duration } from "effect"
import type { ValidationAnswer } from "../../src/actors/tenant/Tenants.ts"
import { FirstUses } from "../../src/actors/validation/FirstUse.ts"
import { Beliefs } from "../../src/actors/validation/HotState.ts"
import type { MissesOptions } from "../../src/actors/validation/Misses.ts"
import type { recordLimits } from "../../src/actors/validation/Records.ts"
import { ValidationPath } from "../../src/actors/validation/ValidationPath.ts"
import type { CacheKey } from "../../src/cache/ValidationCache.ts"
import { LeaseState } from "../../src/coherence/Coherence.ts"
import type { Keyring } from "../../src/crypto/Keyring.ts"
import type { HotToken } from "../../src/domain/HotToken.ts"
import { EndpointTokenValidationRequest, EndpointTokenValidationResponse } from "../../src/schema/Ecap.ts"
import { StoreUnavailable } from "../../src/store/StoreError.ts"

export const hashOf = (appName: string, token: string, key = "k1"): Buffer =>
  createHmac("sha256", key).update(`${appName}\0${token}`).digest()

export const tokenIdOf = (number: number): string => `0190a0b0-0000-7000-8000-${String(number).padStart(12, "0")}`

export const keyringOf = (
  keys: ReadonlyArray<string>,
  isCurrent: () => boolean,
  isHeld: () => boolean = () => true
): Keyring["Service"] => {
  const hashTokenAll = (appName: string, value: string) =>
    keys.map((keyId) => ({ keyId, hash: hashOf(appName, value, keyId) }))
  const unused = () => {
    throw new Error("not for the validation path")
  }
  return {
    hashToken: (appName, value) => hashTokenAll(appName, value)[0]!,
    hashTokenAll,
    hashKeyIds: () => keys,
    isCurrent,
    fingerprint: unused,
    fingerprintAll: unused,
    rowTag: unused,
    rowHolds: () => isHeld(),
    seal: unused,
    open: unused
  }
}

/** A statement on its way. */
export interface Sent<Row> {
  readonly asked: ReadonlyArray<string>
  readonly answer: (rows?: ReadonlyArray<Row>) => Promise<void>
  readonly fail: () => Promise<void>
}

/** Lets everything that is ready happen: promises, and what they make ready in turn. */
export const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

const statement = <Row>(
  asked: ReadonlyArray<string>,
  found: () => ReadonlyArray<Row>,
  sent: Array<Sent<Row>>,
  held: boolean
): Promise<ReadonlyArray<Row>> => {
  if (!held) return Promise.resolve(found())
  return new Promise((resolve, reject) => {
    sent.push({
      asked,
      answer: (rows = found()) => {
        resolve(rows)
        return settled()
      },
      fail: () => {
        reject(new StoreUnavailable({ operation: "test", outcome: "none" }))
        return settled()
      }
    })
  })
}

export interface WorldOptions {
  readonly hotTokensMax?: number
  readonly kvCache?: boolean
  readonly kvFirstMax?: number
  readonly missesPerTenantMax?: number
  readonly missesMax?: number
  readonly missesPerSecond?: (tenantId: string) => number
  readonly missStatementsMax?: number
  /** How refusals are held; without it they are told at once. */
  readonly refusals?: NonNullable<MissesOptions["hold"]>
  readonly tombstonesPerTenantMax?: number
  readonly keys?: ReadonlyArray<string>
  readonly limits?: typeof recordLimits
}

export class World {
  now = 1_701_432_000_000
  monotonic = 1_000
  readonly lease = new LeaseState()
  readonly beliefs: Beliefs
  readonly path: ValidationPath
  readonly bugs: Array<unknown> = []
  readonly firstUsed: Array<string> = []
  readonly firstUses = new FirstUses()

  /** What MariaDB holds: rows by cache key, applications, and each tenant's revocation sequence. */
  readonly rows = new Map<string, Omit<HotToken, "readSeq">>()
  readonly applications = new Map<string, string>()
  readonly seqs = new Map<string, number>()
  /** While true, statements wait in `sent` (`askedNames` for applications). */
  hold = false
  holdNames = false
  down = false
  /** What look-ups reject with. */
  lookupBug: Error | null = null
  keysCurrent = true
  /** Whether rows are as this service wrote them. */
  rowsHold = true
  readonly sent: Array<Sent<HotToken | undefined>> = []
  readonly askedNames: Array<Sent<{ readonly appName: string; readonly tenantId: string }>> = []
  statements = 0
  /** What the KV holds. */
  readonly kv = new Map<string, HotToken>()
  kvAsked = 0

  constructor(options: WorldOptions = {}) {
    this.renew()
    this.beliefs = new Beliefs({
      hotTokensMax: options.hotTokensMax ?? 1_000,
      tombstonesPerTenantMax: options.tombstonesPerTenantMax ?? 1_000,
      ...(options.limits === undefined ? {} : { limits: options.limits }),
      lease: this.lease,
      now: () => this.now
    })
    this.firstUses.onFirstUse = (tenantId, tokenId) => this.firstUsed.push(`${tenantId} ${tokenId}`)
    this.path = new ValidationPath({
      settings: {
        hotTokensMax: options.hotTokensMax ?? 1_000,
        kvCache: options.kvCache ?? false,
        kvFirstMax: options.kvFirstMax ?? 16,
        missesPerTenantMax: options.missesPerTenantMax ?? 1_000,
        missesMax: options.missesMax ?? 10_000,
        missStatementsMax: options.missStatementsMax ?? 2,
        missTimeout: Duration.seconds(2),
        lastUseInterval: Duration.seconds(5),
        tombstonesPerTenantMax: options.tombstonesPerTenantMax ?? 1_000
      },
      beliefs: this.beliefs,
      lease: this.lease,
      firstUses: this.firstUses,
      keyring: keyringOf(
        options.keys ?? ["k1"],
        () => this.keysCurrent,
        () => this.rowsHold
      ),
      now: () => this.now,
      monotonicMs: () => this.monotonic,
      onBug: (bug) => this.bugs.push(bug),
      ...(options.missesPerSecond === undefined ? {} : { missesPerSecond: options.missesPerSecond }),
      ...(options.refusals === undefined ? {} : { hold: options.refusals }),
      onChanged: ({ tokenId }) => this.bugs.push(new Error(`the row of ${tokenId} does not hold`)),
      sipKey: new Uint8Array(16).fill(7),
      cache: {
        getMany: (keys: ReadonlyArray<CacheKey>) => {
          this.kvAsked++
          return Promise.resolve(keys.flatMap(({ cacheKey, tenantId }) => this.kv.get(`${tenantId}.${cacheKey}`) ?? []))
        },
        putUnsafe: (entries) => {
          for (const entry of entries) this.kv.set(`${entry.tenantId}.${entry.cacheKey}`, entry)
        }
      },
      lookup: {
        byHash: (hashes) => {
          this.statements++
          if (this.lookupBug !== null) return Promise.reject(this.lookupBug)
          if (this.down) return Promise.reject(new StoreUnavailable({ operation: "byHash", outcome: "none" }))
          const asked = hashes.map((hash) => Buffer.from(hash).toString("hex"))
          // The snapshot is taken when the statement is sent.
          const snapshot = asked.map((key) => this.read(key))
          return statement(asked, () => snapshot, this.sent, this.hold)
        },
        applications: (names) => {
          if (this.lookupBug !== null) return Promise.reject(this.lookupBug)
          if (this.down) return Promise.reject(new StoreUnavailable({ operation: "applications", outcome: "none" }))
          const snapshot = names.flatMap((appName) => {
            const tenantId = this.applications.get(appName)
            return tenantId === undefined ? [] : [{ appName, tenantId }]
          })
          return statement([...names], () => snapshot, this.askedNames, this.holdNames)
        }
      }
    })
  }

  /** Lets monotonic time pass, and what is done regularly happen. */
  async pass(milliseconds: number): Promise<void> {
    this.monotonic += milliseconds
    this.path.sweep()
    await settled()
  }

  /** A lease that holds, in a generation of its own. */
  renew(): void {
    this.lease.generation++
    this.lease.trustedUntilMonotonicMs = Number.POSITIVE_INFINITY
    this.lease.trustedUntilWallMs = Number.POSITIVE_INFINITY
  }
  lapse(): void {
    this.lease.generation++
    this.lease.trustedUntilMonotonicMs = 0
    this.lease.trustedUntilWallMs = 0
  }

  /** Adds or changes a row of MariaDB. */
  add(
    number: number,
    changes: Partial<HotToken> & { readonly value?: string; readonly keyId?: string } = {}
  ): HotToken {
    const { keyId = "k1", value = `value${number}`, ...rest } = changes
    const appName = rest.appName ?? "app"
    const tenantId = rest.tenantId ?? "acme"
    const row = {
      tenantId,
      appName,
      tokenId: tokenIdOf(number),
      endpointId: `endpoint-${number}`,
      status: "Active" as const,
      version: 1,
      endsAt: null,
      ending: "expired" as const,

      ...rest,
      cacheKey: hashOf(appName, value, keyId).toString("hex")
    }
    this.applications.set(appName, tenantId)
    this.rows.set(row.cacheKey, row)
    return { ...row, readSeq: this.seqs.get(tenantId) ?? 0 }
  }

  read(cacheKey: string): HotToken | undefined {
    const row = this.rows.get(cacheKey)
    return row === undefined ? undefined : { ...row, readSeq: this.seqs.get(row.tenantId) ?? 0 }
  }

  /** Commits a revocation and tells this replica, as a barrier would. */
  revoke(number: number, changes: Partial<HotToken> = { status: "Suspended" }): void {
    const { version } = this.commit(number, changes)
    const [row] = [...this.rows.values()].filter(({ tokenId }) => tokenId === tokenIdOf(number))
    this.beliefs.applyUnsafe({
      tenantId: row!.tenantId,
      seq: this.seqs.get(row!.tenantId)!,
      targets: [
        {
          kind: "token",
          tokenId: row!.tokenId,
          appName: row!.appName,
          cacheKey: row!.cacheKey,
          version,
          usableUntil: changes.endsAt ?? null
        }
      ]
    })
  }

  /** Commits a revocation that this replica does not hear of. */
  commit(number: number, changes: Partial<HotToken>): Omit<HotToken, "readSeq"> {
    const row = [...this.rows.values()].find(({ tokenId }) => tokenId === tokenIdOf(number))!
    const changed = { ...row, version: row.version + 1, ...changes }
    this.rows.set(row.cacheKey, changed)
    this.seqs.set(row.tenantId, (this.seqs.get(row.tenantId) ?? 0) + 1)
    return changed
  }

  /** A request in bytes; its answer comes later. */
  ask(appName: string, token: string, times: { readonly timestamp?: bigint; readonly timeout?: bigint } = {}): Asked {
    const { timeout = 0n, timestamp = BigInt(this.now) } = times
    return this.askBytes(
      EndpointTokenValidationRequest.encode({ correlationId: "c-1", timestamp, timeout, appName, token })
    )
  }

  askBytes(request: Uint8Array): Asked {
    const asked = new Asked()
    this.path.answerUnsafe(request, (reply, statusCode) => asked.take(reply, statusCode))
    return asked
  }

  validate(tenantId: string | null, appName: string, token: string, dryRun = false): { answer?: ValidationAnswer } {
    const result: { answer?: ValidationAnswer } = {}
    this.path.validateUnsafe(tenantId, appName, token, dryRun, (answer) => {
      if (result.answer !== undefined) throw new Error("answered twice")
      result.answer = answer
    })
    return result
  }

  /** Asks and waits; also makes the token hot where that is allowed. */
  async answer(appName: string, token: string, times: Parameters<World["ask"]>[2] = {}): Promise<Asked> {
    const asked = this.ask(appName, token, times)
    for (let turn = 0; turn < 5 && asked.count === 0; turn++) await settled()
    return asked
  }

  /** Statements of tokens sent while `f` runs. */
  async statementsDuring(f: () => Promise<unknown>): Promise<number> {
    const before = this.statements
    await f()
    return this.statements - before
  }
}

export class Asked {
  count = 0
  statusCode = 0
  bytes = new Uint8Array(0)

  take(reply: Uint8Array, statusCode: number): void {
    this.count++
    this.statusCode = statusCode
    this.bytes = new Uint8Array(reply)
  }

  get reply() {
    return EndpointTokenValidationResponse.decode(this.bytes)
  }
}
