/**
 * Everybody who has to do with the grants beside the service: who stores them, asks for secrets and for
 * refreshes, many at once, stores by hand while an exchange is under way, and connects anew what was lost.
 *
 * Every answer but those that hand out a secret is searched for secrets.
 */
import { randomUUID } from "node:crypto"
import { setTimeout as pause } from "node:timers/promises"
import type { Answer, Client } from "../../support/client.ts"
import type { Books, Holder, Stored } from "./Books.ts"
import { type Family, shortOf, tell } from "./Families.ts"
import { kinds, type Provider } from "./Provider.ts"
import { excerpt, holdsSecret } from "./planted.ts"

export interface PeopleOptions {
  readonly clients: ReadonlyArray<Client>
  readonly provider: Provider
  readonly books: Books
  readonly stored: Stored
  readonly random: () => number
  readonly grants: number
  readonly tenants: ReadonlyArray<string>
  readonly lifeSeconds: number
  /** How often somebody does something, a second. */
  readonly rate: number
  readonly shares: Shares
}

/** What people do, of a hundred times. */
export interface Shares {
  readonly secretThatLives: number
  readonly manyRefreshes: number
  readonly copyByHand: number
  readonly connectedAnew: number
}
export const usualShares: Shares = { secretThatLives: 20, manyRefreshes: 40, copyByHand: 20, connectedAnew: 20 }

const busyLooksMax = 100
const askTries = 60
export const consumer = "mail"

export class People {
  private readonly options: PeopleOptions
  private isWorking = false
  private next = 0
  private readonly underWay = new Set<Promise<void>>()
  readonly done = new Map<string, number>()
  readonly statuses = new Map<string, number>()
  /** Where a secret was said that should not be. */
  readonly said: Array<string> = []

  constructor(options: PeopleOptions) {
    this.options = options
  }

  private count(what: string): void {
    this.done.set(what, (this.done.get(what) ?? 0) + 1)
  }

  private oneOf<A>(values: ReadonlyArray<A>): A {
    return values[Math.floor(this.options.random() * values.length)]!
  }

  private inLife(): string {
    return new Date(Date.now() + this.options.lifeSeconds * 1_000).toISOString()
  }

  /** Once; undefined: no answer came. */
  async ask(tenantId: string, operation: string, body: unknown, key?: string): Promise<Answer | undefined> {
    const { clients } = this.options
    const client = clients[this.next++ % clients.length]!
    const headers = key === undefined ? {} : { "Idempotency-Key": key }
    // May fail: what it asks is killed on purpose.
    const answer = await client.ask(tenantId, operation, body, headers).catch(() => undefined)
    const name = operation.replace(`.${consumer}`, "")
    const status = `${name} ${answer === undefined ? "unanswered" : `${answer.status} ${answer.code ?? ""}`.trim()}`
    this.statuses.set(status, (this.statuses.get(status) ?? 0) + 1)
    if (answer !== undefined && !operation.startsWith("credential.get")) {
      const text = JSON.stringify(answer.body)
      if (holdsSecret(text)) this.said.push(`the answer to ${operation}: ${excerpt(text)}`)
    }
    return answer
  }

  /** As often as it takes until it is known what came of it. */
  async insist(tenantId: string, operation: string, body: unknown): Promise<Answer> {
    const key = randomUUID()
    for (let tries = 0; tries < askTries; tries++) {
      const answer = await this.ask(tenantId, operation, body, key)
      if (answer !== undefined && answer.status < 500 && answer.status !== 429) return answer
      await pause(500)
    }
    throw new Error(`${operation}: no answer that says what came of it`)
  }

  // ---- the beginning
  async begin(): Promise<void> {
    const { provider } = this.options
    for (const [name, rules] of Object.entries(kinds)) {
      const put = await this.insist("global", "provider.put", {
        name,
        token_url: provider.tokenUrl,
        client_auth: "post",
        client_id: provider.client.id,
        client_secrets: provider.client.secrets,
        refresh_tokens: rules.refreshTokens,
        reuse: rules.reuse,
        grace: `PT${rules.graceMs / 1_000}S`,
        errors: [{ code: "try_again", is: "transient" }],
        rate_per_minute: 100_000,
        parallel: 1_000
      })
      if (put.status >= 300) throw new Error(`provider.put: ${JSON.stringify(put.body)}`)
    }
    const names = Object.keys(kinds)
    const numbers = Array.from({ length: this.options.grants }, (_, index) => index)
    const workers = Array.from({ length: 16 }, async () => {
      for (let index = numbers.pop(); index !== undefined; index = numbers.pop()) {
        await this.store(index, names[index % names.length]!)
      }
    })
    await Promise.all(workers)
  }

  private async store(index: number, kind: string): Promise<void> {
    const { books, provider, tenants } = this.options
    const family = provider.connect(kind)
    const tenantId = tenants[Math.floor(index / Object.keys(kinds).length) % tenants.length]!
    const answer = await this.insist(tenantId, "credential.store", {
      service_name: `service-${index}`,
      type: "oauth",
      credentials: { access_token: "none-yet", refresh_token: family.grants[0]!.value },
      expires_at: this.inLife(),
      allowed_consumers: [consumer],
      // Again as soon as may be, however long the access token lives.
      rotation: { provider: kind, keep_alive: "PT5S" }
    })
    if (answer.status !== 201) throw new Error(`credential.store: ${JSON.stringify(answer.body)}`)
    const credentialId = answer.body.credential_id as string
    family.credentialId = credentialId
    books.holders.set(credentialId, { tenantId, credentialId, kind, family, sinceMs: 0, isInHand: false })
  }

  // ---- what they do
  private async readWaiting(holder: Holder): Promise<void> {
    await this.ask(holder.tenantId, `credential.get.${consumer}`, {
      credential_id: holder.credentialId,
      min_ttl: `PT${this.options.lifeSeconds - 1}S`
    })
  }

  private async refreshMany(holder: Holder): Promise<void> {
    const many = 2 + Math.floor(this.options.random() * 8)
    await Promise.all(
      Array.from({ length: many }, () =>
        this.ask(holder.tenantId, "credential.rotate", { credential_id: holder.credentialId })
      )
    )
  }

  /** What is handed out now, or undefined. */
  async held(holder: Holder): Promise<string | undefined> {
    const { credentialId, tenantId } = holder
    const got = await this.ask(tenantId, `credential.get.${consumer}`, { credential_id: credentialId })
    return got?.status === 200 ? got.body.credentials.refresh_token : undefined
  }

  private async storeByHand(holder: Holder, family: Family, value: string): Promise<void> {
    holder.isInHand = true
    const previous = family.credentialId
    family.credentialId = holder.credentialId
    if (family !== holder.family) tell(holder.family, `a person stores ${shortOf(value)} of another grant`)
    const answer = await this.insist(holder.tenantId, "credential.rotate", {
      credential_id: holder.credentialId,
      credentials: { access_token: "by-hand", refresh_token: value },
      expires_at: this.inLife()
    })
    if (answer.status < 300) {
      this.options.books.stored(holder, family)
    } else {
      family.credentialId = previous
      tell(holder.family, `${shortOf(value)} was not stored: ${answer.status} ${answer.code ?? ""}`)
    }
    holder.isInHand = false
  }

  private async storeSame(holder: Holder): Promise<void> {
    // From here on: else another person could connect anew while this one reads what is there.
    holder.isInHand = true
    const value = await this.held(holder)
    const grant = value === undefined ? undefined : this.options.provider.families.byValue.get(value)
    if (grant === undefined || grant.family !== holder.family) {
      holder.isInHand = false
      return
    }
    const { family } = grant
    tell(family, "a person stores a copy")
    await this.storeByHand(holder, family, grant.value)
    // Its successor's successor was there before the copy: nobody could know it any more.
    const index = family.grants.indexOf(grant)
    if (index === -1 || family.grants.length - index > 2) family.hasStaleCopy = true
  }

  private async connectAnew(holder: Holder): Promise<void> {
    const { provider } = this.options
    const family = provider.connect(holder.kind)
    tell(family, `a person connects anew${provider.isUnderWay(holder.credentialId) ? " during an exchange" : ""}`)
    await this.storeByHand(holder, family, family.grants[0]!.value)
  }

  /** One of those at whose provider somebody is at this moment, or any. */
  private busyOne(all: ReadonlyArray<Holder>): Holder {
    const { provider } = this.options
    for (let tries = 0; tries < busyLooksMax; tries++) {
      const holder = this.oneOf(all)
      if (provider.isUnderWay(holder.credentialId)) return holder
    }
    return this.oneOf(all)
  }

  private async act(all: ReadonlyArray<Holder>): Promise<void> {
    const { random, shares } = this.options
    const holder = random() < 0.4 ? this.oneOf(all) : this.busyOne(all)
    if (holder.isInHand) return
    const acts = [
      [shares.secretThatLives, "asked for a secret that lives", () => this.readWaiting(holder)],
      [shares.manyRefreshes, "many asked for a refresh", () => this.refreshMany(holder)],
      [shares.copyByHand, "stored a copy by hand", () => this.storeSame(holder)],
      [shares.connectedAnew, "connected anew by hand", () => this.connectAnew(holder)]
    ] as const
    let dice = random() * 100
    for (const [share, what, carryOut] of acts) {
      dice -= share
      if (dice >= 0) continue
      this.count(what)
      return carryOut()
    }
  }

  /** What was given up is judged, and connected anew. */
  async reconnectWhatEnded(): Promise<number> {
    const { books, provider, stored } = this.options
    const ended = (await stored.finals()).map((id) => books.holders.get(id)).filter((one) => one !== undefined)
    const taken = ended.filter(({ isInHand }) => !isInHand)
    for (const holder of taken) holder.isInHand = true
    // Once more: somebody may have stored another one while the first look was on its way.
    const still = new Set(taken.length === 0 ? [] : await stored.finals())
    const free = taken.filter(({ credentialId }) => still.has(credentialId))
    for (const holder of taken) if (!free.includes(holder)) holder.isInHand = false
    await Promise.all(
      free.map(async (holder) => {
        books.judge(holder, "the service asks for a person")
        const family = provider.connect(holder.kind)
        family.credentialId = holder.credentialId
        const answer = await this.insist(holder.tenantId, "credential.reconnect", {
          credential_id: holder.credentialId,
          credentials: { access_token: "again", refresh_token: family.grants[0]!.value },
          expires_at: this.inLife()
        })
        if (answer.status !== 200) throw new Error(`credential.reconnect: ${JSON.stringify(answer.body)}`)
        this.count("reconnected")
        books.stored(holder, family)
        holder.isInHand = false
      })
    )
    return free.length
  }

  // ---- working
  private track(work: Promise<void>): void {
    const tracked: Promise<void> = work.finally(() => this.underWay.delete(tracked))
    this.underWay.add(tracked)
  }

  /** `failed` is told when what they do cannot be done. */
  start(failed: (error: unknown) => void): void {
    this.isWorking = true
    const all = [...this.options.books.holders.values()]
    const loop = async (work: () => Promise<unknown>, everyMs: () => number) => {
      while (this.isWorking) {
        await work()
        await pause(everyMs())
      }
    }
    const acting = async () => {
      if (this.underWay.size < 200) this.track(this.act(all).catch(failed))
    }
    void loop(acting, () => (2_000 * this.options.random()) / this.options.rate).catch(failed)
    this.track(
      loop(
        () => this.reconnectWhatEnded(),
        () => 1_000
      ).then(() => undefined, failed)
    )
  }

  async stop(): Promise<void> {
    this.isWorking = false
    await Promise.all(this.underWay)
  }
}
