/**
 * One run: a world of three replicas under trouble, a hostile provider, people who interfere; until the
 * provider has carried out so many refreshes. Then everything is made whole, every grant is refreshed once
 * more, and every place is searched for secrets.
 */
import { setTimeout as pause } from "node:timers/promises"
import { createPool } from "mariadb"
import { connectClient } from "../../support/client.ts"
import { eventually } from "../../support/eventually.ts"
import { type Ground, startWorld, type World } from "../World.ts"
import { Books, type Loss, Stored } from "./Books.ts"
import { People, type Shares, usualShares } from "./People.ts"
import { kinds, startProvider } from "./Provider.ts"
import { excerpt, holdsSecret } from "./planted.ts"
import { searchEverywhere } from "./search.ts"
import { Trouble, type TroubleName } from "./Trouble.ts"

export interface RunOptions {
  readonly ground: Ground
  readonly random: () => number
  /** How many refreshes the provider carries out. */
  readonly refreshes: number
  /** Default: 3. */
  readonly replicas?: number
  /** How many credentials are refreshed again and again. */
  readonly grants: number
  /** The folder that holds `src`; default: this checkout. */
  readonly cwd?: string
  /** The run ends when something was lost. */
  readonly untilLost?: boolean
  /** The longest rest between two troubles. */
  readonly restMs?: number
  /** What to do above all, for a build that lacks a safeguard. */
  readonly focus?: Focus
  /** How often a person does something, a second. */
  readonly rate?: number
  /** How slowly everything goes. */
  readonly scale?: number
  /** It ends then in any case. */
  readonly limitMs: number
  readonly progress?: (figures: Figures) => void
  /** Told of each loss, with all that is known of it. */
  readonly lost?: (loss: Loss) => void
}

export interface Focus {
  readonly shares?: Shares
  readonly troubles?: ReadonlyArray<TroubleName>
  /** Of a thousand answers so many take their time. */
  readonly slow?: number
}

export interface Figures {
  readonly refreshes: number
  readonly exchanges: number
  readonly lost: number
  /** Grants that no client in the world could have kept: the answer was lost on its way, or a replica was killed with it. */
  readonly inevitable: { readonly wire: number; readonly window: number }
  readonly consentTakenBack: number
  readonly staleCopies: number
  readonly fallbacks: number
  /** Fallbacks in which the grant of before was not taken either. */
  readonly putAside: number
  readonly misuses: number
  readonly overlaps: number
  readonly exchangesWithoutClaim: number
  /** Requests whose replica went away before the provider had looked at them; nothing was spent. */
  readonly wentAway: number
  /** The longest time in which this harness did nothing: it shares the machine with what it tries. */
  readonly longestSleepMs: number
  readonly credentials: number
  readonly families: number
  readonly secretsFound: number
  readonly diedByThemselves: number
  readonly seconds: number
  readonly faults: Readonly<Record<string, number>>
  readonly troubles: Readonly<Record<string, number>>
  readonly people: Readonly<Record<string, number>>
  readonly answers: Readonly<Record<string, number>>
}

export interface RunResult extends Figures {
  readonly losses: ReadonlyArray<Loss>
  readonly secrets: ReadonlyArray<string>
}

const lifeSeconds = 900
const lookMs = 250
const tenants = Array.from({ length: 8 }, (_, index) => `tenant-${index}`)
/** In the proportions of the defaults; `scale` stretches them for a machine that has other things to do. */
const timesOf = (scale: number) => ({ claimMs: 6_000 * scale, exchangeMs: 3_000 * scale, doubtMs: 15_000 * scale })
const settingsOf = ({ claimMs, doubtMs, exchangeMs }: ReturnType<typeof timesOf>) => ({
  CM_DEV_TENANTS: tenants.join(","),
  CM_REFRESH_INTERVAL: "500 millis",
  // More at once only wait for each other's connections, and claims run out meanwhile.
  CM_REFRESH_PIECE: "32",
  CM_REFRESH_CLAIM: `${claimMs} millis`,
  CM_REFRESH_DOUBT: `${doubtMs} millis`,
  CM_REFRESH_EXCHANGE: `${exchangeMs} millis`,
  CM_CREDENTIAL_SWEEP_EVERY: "10 seconds",
  CM_DB_CONNECT_TIMEOUT: "8 seconds",
  // Coherence is not what is tried here.
  CM_LEASE: "10 seconds",
  CM_LEASES_AGE: "2 minutes",
  CM_BARRIER_TIMEOUT: "30 seconds",
  CM_SWEEP_INTERVAL: "2 seconds"
})
const record = (counts: ReadonlyMap<string, number>): Record<string, number> =>
  Object.fromEntries([...counts].toSorted(([a], [b]) => (a < b ? -1 : 1)))

export const run = async (options: RunOptions): Promise<RunResult> => {
  const { ground, limitMs, random } = options
  const times = timesOf(options.scale ?? 1)
  const { claimMs, exchangeMs } = times
  const began = performance.now()
  const books = new Books()
  let stored: Stored | undefined
  const provider = await startProvider({
    random,
    lifeSeconds,
    exchangeMs,
    ...(options.focus?.slow === undefined ? {} : { slow: options.focus.slow }),
    askerOf: (credentialId) => stored!.askerOf(credentialId),
    shown: (grant, asker) => books.shown(grant, asker),
    brought: (grant) => books.brought(grant)
  })
  const env = { ...settingsOf(times), CM_PROVIDER_HOSTS_ALLOWED: provider.host }
  const world: World = await startWorld(ground, {
    replicas: options.replicas ?? 3,
    env,
    readyLimitMs: 180_000,
    ...(options.cwd === undefined ? {} : { cwd: options.cwd })
  })
  const database = new URL(world.database.url)
  const pool = createPool({
    connectTimeout: 30_000,
    host: database.hostname,
    port: Number(database.port),
    user: database.username,
    password: database.password,
    database: world.database.name,
    connectionLimit: 6
  })
  stored = new Stored(pool)
  const clients = await Promise.all(
    Array.from({ length: 3 }, () =>
      connectClient({ natsUrl: ground.natsUrl, instance: world.instance, timeoutMs: 25_000 })
    )
  )
  const people = new People({
    clients,
    provider,
    books,
    stored,
    random,
    grants: options.grants,
    tenants,
    lifeSeconds,
    rate: options.rate ?? 8,
    shares: options.focus?.shares ?? usualShares
  })
  clients[0]!.nc.subscribe(`${world.instance}.events.v1.>`, {
    callback: (_, message) => {
      const text = `${message.subject} ${message.string()}`
      if (holdsSecret(text)) people.said.push(`an event: ${excerpt(text)}`)
    }
  })
  const trouble = new Trouble({
    world,
    books,
    stored,
    random,
    claimMs,
    restMs: options.restMs ?? 6_000,
    ...(options.focus?.troubles === undefined ? {} : { troubles: options.focus.troubles })
  })
  const telling = new Set<Promise<void>>()
  books.lost = (credentialId, story) => {
    story.push(...trouble.story.map((one) => `        ${one}`))
    const told = stored
      .tellOf(credentialId)
      .then((words) => void story.push(...words))
      // May fail: the world may end meanwhile.
      .catch(() => undefined)
      .then(() => options.lost?.(books.losses.find((one) => one.story === story)!))
      .finally(() => telling.delete(told))
    telling.add(told)
  }
  let lookedAt = Date.now()
  const looking = setInterval(() => {
    const sleptMs = Date.now() - lookedAt - lookMs
    lookedAt = Date.now()
    if (sleptMs > lookMs) trouble.tell(`the harness itself slept for ${sleptMs} ms`)
    longestSleepMs = Math.max(longestSleepMs, sleptMs)
  }, lookMs)
  let longestSleepMs = 0
  let broken: unknown
  const failed = (error: unknown) => {
    broken ??= error
  }
  let secrets: ReadonlyArray<string> = []
  const figures = (): Figures => {
    const { exchanges, gone, met, misuses, overlaps, refreshes, withoutClaim } = provider.figures()
    return {
      refreshes,
      exchanges,
      lost: books.losses.length,
      inevitable: { ...books.inevitable },
      consentTakenBack: books.counts.get("consent") ?? 0,
      staleCopies: books.counts.get("stale copy") ?? 0,
      fallbacks: books.fallbacks,
      putAside: books.counts.get("put aside") ?? 0,
      misuses,
      overlaps,
      exchangesWithoutClaim: withoutClaim,
      wentAway: gone,
      longestSleepMs,
      credentials: books.holders.size,
      families: provider.families.all.length,
      secretsFound: people.said.length + secrets.length,
      diedByThemselves: world.replicas.reduce((sum, { deaths }) => sum + deaths(), 0),
      seconds: Math.round((performance.now() - began) / 1_000),
      faults: record(met),
      troubles: record(trouble.done),
      people: record(people.done),
      answers: record(people.statuses)
    }
  }
  try {
    await people.begin()
    people.start(failed)
    trouble.start(failed)
    const until = performance.now() + limitMs
    let shownAt = performance.now()
    for (;;) {
      await pause(200)
      const isEnough = provider.figures().refreshes >= options.refreshes
      if (isEnough || (options.untilLost === true && books.losses.length > 0)) break
      if (broken !== undefined || performance.now() > until) break
      if (performance.now() > shownAt + 10_000) {
        shownAt = performance.now()
        options.progress?.(figures())
      }
    }
    await trouble.stop()
    provider.calm()
    await people.stop()
    if (broken !== undefined) throw broken
    if (options.untilLost === true) return { ...figures(), losses: books.losses, secrets: people.said }
    await settleAll(people, books, stored, provider)
    const metrics = await Promise.all(clients.map(async (client) => String((await client.admin("metrics")).body)))
    const printed = world.replicas.map(({ output }) => output())
    secrets = [
      ...[...metrics, ...printed].filter(holdsSecret).map((text) => `a log or a metric: ${excerpt(text)}`),
      ...(await searchEverywhere(pool, world.database.name, ground.folder))
    ]
    return { ...figures(), losses: books.losses, secrets: [...people.said, ...secrets] }
  } finally {
    clearInterval(looking)
    await Promise.all(telling)
    await trouble.stop()
    // May fail: what it asks is killed on purpose.
    await people.stop().catch(() => undefined)
    await Promise.all(clients.map((client) => client.close()))
    await pool.end()
    await world.stop()
    await provider.stop()
  }
}

/** Every grant is used once more, and is the one that is handed out. */
const settleAll = async (
  people: People,
  books: Books,
  stored: Stored,
  provider: Awaited<ReturnType<typeof startProvider>>
): Promise<void> => {
  await eventually(
    async () => (await people.reconnectWhatEnded()) + (await stored.inDoubt()),
    (left) => left === 0,
    { limitMs: 180_000, everyMs: 1_000, what: "nothing being in doubt" }
    // May fail: what is still in doubt then is judged below.
  ).catch(() => undefined)
  const waiting = [...books.holders.values()]
  const one = async () => {
    for (let holder = waiting.pop(); holder !== undefined; holder = waiting.pop()) {
      const { credentialId, tenantId } = holder
      let answer = await people.ask(tenantId, "credential.rotate", { credential_id: credentialId })
      for (let tries = 0; tries < 20 && answer?.status !== 200; tries++) {
        await pause(2_000)
        await people.reconnectWhatEnded()
        answer = await people.ask(tenantId, "credential.rotate", { credential_id: credentialId })
      }
      const value = await people.held(holder)
      books.inspect(holder, value === undefined ? undefined : provider.families.byValue.get(value))
    }
  }
  await Promise.all(Array.from({ length: 16 }, one))
}

export const kindNames = Object.keys(kinds)
