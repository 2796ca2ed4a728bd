// Verifies R-SEC-12, R-BUS-5.
/**
 * P8 and P9 at `keys.rotate` and `keys.retire`: killed at any statement, asked of two replicas at once,
 * repeated by an idempotency key, or with tables that cannot be counted, the keys are what the audit
 * and the events say, and the other way round.
 */
import { isDeepStrictEqual } from "node:util"
import { jetstreamManager } from "@nats-io/jetstream"
import type { Connection } from "mariadb"
import { afterAll, assert, beforeAll, describe, inject, it } from "vitest"
import { type Answer, type Client, connectClient } from "../../support/client.ts"
import { eventually } from "../../support/eventually.ts"
import { connectSql, type FreshDatabase, freshDatabase } from "../../support/freshDatabase.ts"
import { seededRandom } from "../../support/seededRandom.ts"
import { type Service, startService } from "../../support/service.ts"
import { type Passing, type StatementGate, statementGate } from "../../support/statementGate.ts"

const instance = "keydur"
const startsWithin = 300_000
const purposes = ["token-hash", "seal"] as const
/** Those that are rotated only by name, too. */
const namedPurposes = ["audit-signing", "fingerprint"] as const
const everyPurpose = [...purposes, ...namedPurposes]

let database: FreshDatabase
let gate: StatementGate
let raw: Connection
let client: Client
let keyFile: string | undefined
const services = new Map<string, Service>()

const start = async (replica: string): Promise<Service> => {
  const url = new URL(database.url)
  url.port = String(gate.port)
  const service = await startService({
    natsUrl: inject("natsUrl"),
    databaseUrl: url.href,
    instance,
    replica,
    ...(keyFile === undefined ? {} : { keyFile }),
    asShipped: true,
    env: {
      // Through this process, which may be as busy as all others.
      CM_DB_CONNECT_TIMEOUT: "10 seconds",
      CM_KEYS_RELOAD: "200 millis",
      CM_KEYS_ACTIVATION: "1 second",
      CM_KEYS_MOVE_EVERY: "200 millis"
    }
  })
  keyFile = service.keyFile
  services.set(replica, service)
  return service
}
const kill = async (replica: string): Promise<void> => {
  services.get(replica)?.kill("SIGKILL")
  await services.get(replica)?.exited
  services.delete(replica)
}

beforeAll(async () => {
  database = await freshDatabase(inject("databaseUrl"))
  const { hostname, port } = new URL(database.url)
  gate = await statementGate({ host: hostname, port: Number(port) })
  raw = await connectSql(database.url)
  client = await connectClient({ natsUrl: inject("natsUrl"), instance })
  await start("one")
}, startsWithin)
afterAll(async () => {
  await client?.close()
  for (const service of services.values()) await service.stop()
  await raw?.end()
  await gate?.close()
  await database?.drop()
})

// ---- what there is -----------------------------------------------------------------

interface KeyRow {
  readonly id: string
  readonly purpose: string
  readonly state: string
}
const keyRows = (): Promise<ReadonlyArray<KeyRow>> =>
  raw.query(
    `SELECT LOWER(INSERT(INSERT(INSERT(INSERT(HEX(key_id), 21, 0, '-'), 17, 0, '-'), 13, 0, '-'), 9, 0, '-')) AS id,
      purpose, state FROM data_keys ORDER BY key_id`
  )
interface AuditRow {
  readonly action: string
  readonly entityId: string
  readonly diff: Readonly<Record<string, readonly [string, string]>> & { readonly tenants: number }
}
const auditRows = async (action: string): Promise<ReadonlyArray<AuditRow>> => {
  const rows: ReadonlyArray<{ readonly action: string; readonly entity_id: string; readonly diff: string }> =
    await raw.query(
      "SELECT action, entity_id, diff FROM audit WHERE tenant_id = 'global' AND action = ? ORDER BY seq",
      [action]
    )
  return rows.map((row) => ({ action: row.action, entityId: row.entity_id, diff: JSON.parse(row.diff) }))
}
const activeOf = (keys: ReadonlyArray<KeyRow>, purpose: string): string => {
  const active = keys.filter((key) => key.purpose === purpose && key.state === "active")
  assert.strictEqual(active.length, 1, `one active ${purpose} key`)
  return active[0]!.id
}

/** What the check before saw. */
let seen = { rotations: 0, tenants: 0, demoted: 0 }
/** Follows each key from its first to its active one by the audit: nothing is there that it does not tell. */
const keysAreAsAudited = async (what: string): Promise<void> => {
  // What a killed service had sent may be committed meanwhile: all is read as it was at one moment.
  await raw.query("START TRANSACTION WITH CONSISTENT SNAPSHOT")
  const keys = await keyRows()
  const rotations = await auditRows("keys.rotated")
  const retirements = await auditRows("keys.retired")
  await raw.query("COMMIT")
  for (const purpose of everyPurpose) {
    const steps = rotations.flatMap(({ diff }) => (diff[purpose] === undefined ? [] : [diff[purpose]]))
    const told = [...(steps[0] === undefined ? [] : [steps[0][0]]), ...steps.map(([, to]) => to)]
    for (const [n, step] of steps.entries()) assert.strictEqual(step[0], told[n], `${what}: ${purpose} in one line`)
    const own = keys.filter((key) => key.purpose === purpose).map(({ id }) => id)
    if (told.length > 0) assert.sameMembers(own, told, `${what}: ${purpose} keys and the audit`)
    else assert.strictEqual(own.length, 1, `${what}: the first ${purpose} key`)
    assert.strictEqual(activeOf(keys, purpose), told.at(-1) ?? own[0], `${what}: the last told is active`)
  }
  // Tenants' keys are not named one by one: they are demoted with a rotation that is told, and never else.
  const demoted = keys.filter((key) => key.purpose === "tenant-data" && key.state !== "active").length
  const told = { rotations: rotations.length, tenants: rotations.reduce((sum, { diff }) => sum + diff.tenants, 0) }
  if (told.rotations === seen.rotations) assert.strictEqual(demoted, seen.demoted, `${what}: tenants' keys`)
  else assert.isAtLeast(demoted - seen.demoted, told.tenants - seen.tenants, `${what}: tenants' keys`)
  seen = { ...told, demoted }
  const retired = keys.filter(({ purpose, state }) => purpose !== "tenant-data" && state === "retired")
  assert.sameMembers(
    retired.map(({ id }) => id),
    retirements.map(({ entityId }) => entityId),
    `${what}: retired keys and the audit`
  )
}

interface KeyEvent {
  readonly keyIds?: ReadonlyArray<string>
  readonly keyId?: string
}
const ofKeys = `${instance}.events.v1.global.keys.`
/** What the stream held when it was last read; it only grows. */
const told: Array<{ readonly subject: string; readonly event: KeyEvent }> = []
let readUpTo = 0
const readEvents = async (): Promise<void> => {
  const manager = await jetstreamManager(client.nc, { timeout: 60_000, checkAPI: false })
  const { state } = await manager.streams.info("KEYDUR_EVENTS")
  for (let seq = Math.max(state.first_seq, readUpTo + 1); seq <= state.last_seq; seq++) {
    const message = await manager.streams.getMessage("KEYDUR_EVENTS", { seq })
    if (message?.subject.startsWith(ofKeys) === true) told.push({ subject: message.subject, event: message.json() })
    readUpTo = seq
  }
}
/** The events of the stream, in order. */
const eventsOf = (type: string): ReadonlyArray<KeyEvent> =>
  told.filter(({ subject }) => subject === `${instance}.events.v1.global.${type}`).map(({ event }) => event)
const eventsAreAsAudited = async (): Promise<void> => {
  // What retires by itself meanwhile is told a moment later.
  const said = async () => {
    const audit = {
      rotated: (await auditRows("keys.rotated")).map(({ diff }) =>
        everyPurpose.flatMap((purpose) => (diff[purpose] === undefined ? [] : [diff[purpose][1]]))
      ),
      retired: (await auditRows("keys.retired")).map(({ entityId }) => entityId)
    }
    await readEvents()
    const events = {
      rotated: eventsOf("keys.rotated").map(({ keyIds }) => keyIds),
      retired: eventsOf("keys.retired").map(({ keyId }) => keyId)
    }
    return { audit, events }
  }
  const { audit, events } = await eventually(said, ({ audit, events }) => isDeepStrictEqual(audit, events), {
    limitMs: 120_000,
    what: "the events of all that was done to keys, and no others"
  })
  assert.deepStrictEqual(events, audit)
}

let tenants = 0
/** A tenant with a data key of its own. */
const addTenant = async (): Promise<void> => {
  const tenantId = `tenant-${++tenants}`
  const created = await client.admin("tenants.create", { tenantId })
  assert.strictEqual(created.status, 201, JSON.stringify(created.body))
  const secret = { service_name: "s", type: "api_key", credentials: { api_key: tenantId } }
  const stored = await withRepetitions(() => client.ask(tenantId, "credential.store", secret))
  assert.strictEqual(stored.status, 201, JSON.stringify(stored.body))
}
const withKey = (name: string) => ({ "Idempotency-Key": name.replaceAll(" ", "-") })
/**
 * Asks until it is done or refused. Just started on a busy machine, a replica may have read its keys longer ago than
 * `CM_KEYS_ACTIVATION`, here a second, lets it decide what is repeated: it says 503, as with a database that is away,
 * and whoever has an idempotency key asks again with it.
 */
const withRepetitions = (ask: () => Promise<Answer>): Promise<Answer> =>
  eventually(ask, ({ status }) => status !== 503, { limitMs: 120_000, everyMs: 100, what: "an answer that is not 503" })
const rotateOnce = (name: string) => client.admin("keys.rotate", {}, withKey(name))
const rotateWith = (name: string) => withRepetitions(() => rotateOnce(name))
/** The keys are old enough to be followed, and not so many that one must go first. */
const keysAreSettled = () =>
  eventually(
    () =>
      raw.query(`SELECT COUNT(*) AS n FROM data_keys WHERE tenant_id IS NULL AND state = 'active'
        AND (created_at > UNIX_TIMESTAMP(NOW(3)) * 1000 - 1000 OR 4 <= (SELECT COUNT(*) FROM data_keys k
          WHERE k.purpose = 'token-hash' AND k.state <> 'retired'))`),
    ([row]: ReadonlyArray<{ readonly n: bigint }>) => row?.n === 0n,
    { limitMs: 120_000, what: "the keys being in use" }
  )
/** Asks, and kills the service where it is stopped. */
const killedAt = async (
  name: string,
  is: (passing: Passing) => boolean,
  when: "before" | "answered",
  ask: () => Promise<unknown>
) => {
  let isStopped = false
  // Never fails.
  void gate.stopAt(is, when).then(() => {
    isStopped = true
  })
  let isAsking = false
  await eventually(
    () => {
      // Asked again where it was told 503, and has not come to where it is stopped.
      if (!isStopped && !isAsking) {
        isAsking = true
        const over = () => {
          isAsking = false
        }
        // May fail: whom it asks is killed before the answer.
        ask().then(over, over)
      }
      return isStopped
    },
    (stopped) => stopped,
    { everyMs: 100, what: `being stopped ${name}` }
  )
  await kill("one")
}
/** Rotates for certain: the keys before may be too new for it at first. */
const rotated = (key: string) =>
  eventually(
    (() => {
      let n = 0
      return () => rotateWith(`${key}-${n++}`)
    })(),
    ({ body, status }) => status === 200 && body.keyIds.length === 2,
    { limitMs: 120_000, everyMs: 100, what: "a rotation" }
  )

// ---- killed ------------------------------------------------------------------------

const looksAtKeys = "FROM data_keys FORCE INDEX"
/** Of a transaction that an operator asked for, and not of what the service does to keys by itself. */
const holds = (text: string) => (passing: Passing) =>
  passing.text.includes(text) && passing.transaction.includes(looksAtKeys)
const commitOf = (action: string) => (passing: Passing) =>
  passing.text.includes("COMMIT") && passing.transaction.includes(action)

describe("a service that is killed while it rotates the keys", () => {
  const places: ReadonlyArray<readonly [name: string, is: (passing: Passing) => boolean, when: "before" | "answered"]> =
    [
      ["while it looks at the keys", holds(looksAtKeys), "answered"],
      ["before a key is followed", holds("UPDATE data_keys SET state = 'retiring' WHERE key_id"), "before"],
      ["before its successor is there", holds("INSERT INTO data_keys"), "before"],
      ["when its successor is there", holds("INSERT INTO data_keys"), "answered"],
      ["before tenants' keys are followed", holds("UPDATE data_keys SET state = 'retiring' WHERE purpose"), "before"],
      ["before the run of moving rows begins", holds("REPLACE INTO key_rotation"), "before"],
      ["before the event", holds("keys.rotated"), "before"],
      ["before the commit", commitOf("keys.rotated"), "before"],
      ["when the commit is done and nobody knows", commitOf("keys.rotated"), "answered"]
    ]

  it("leaves no changed key without its audit row and event, nor one of these without it", async () => {
    for (const [name, is, when] of places) {
      await addTenant()
      await keysAreSettled()
      await killedAt(name, is, when, () => rotateOnce(name))
      await keysAreAsAudited(`killed ${name}`)
      const before = (await auditRows("keys.rotated")).length
      const isDone = when === "answered" && name.includes("commit")
      await start("one")
      const repeated = await rotateWith(name)
      assert.strictEqual(repeated.status, 200, JSON.stringify(repeated.body))
      const keys = await keyRows()
      assert.deepStrictEqual(
        repeated.body.keyIds,
        purposes.map((purpose) => activeOf(keys, purpose)),
        name
      )
      assert.isAtLeast(repeated.body.tenants, 1, name)
      assert.strictEqual((await auditRows("keys.rotated")).length - before, isDone ? 0 : 1, name)
      await keysAreAsAudited(`repeated after it was killed ${name}`)
    }
    await eventsAreAsAudited()
  }, 600_000)

  it("at a statement that chance picks, neither", async () => {
    const { random, seed } = seededRandom("a kill around keys.rotate")
    for (let round = 0; round < 4; round++) {
      await addTenant()
      let left = Math.floor(random() * 24)
      const name = `seed ${seed}, round ${round}, ${left} statements on`
      await keysAreSettled()
      const when = random() < 0.5 ? "before" : "answered"
      await killedAt(
        name,
        () => --left < 0,
        when,
        () => rotateOnce(`chance-${round}`)
      )
      await keysAreAsAudited(name)
      await start("one")
      assert.strictEqual((await rotateWith(`chance-${round}`)).status, 200)
      await keysAreAsAudited(name)
    }
    await eventsAreAsAudited()
  }, 300_000)
})

describe.each(namedPurposes)("a service that is killed while it rotates the key %s, which is named", (purpose) => {
  const rotateNamed = (name: string) => client.admin("keys.rotate", { purpose }, withKey(`${purpose} ${name}`))
  const rotations = async () => (await auditRows("keys.rotated")).length
  /** All that is stored about keys, but for tenants' own, which are made whenever one is needed. */
  const stored = async () => ({
    keys: (await keyRows()).filter((key) => key.purpose === purpose),
    rotations: await rotations()
  })
  const places = [
    ["while it looks at the keys", holds(looksAtKeys), "answered"],
    ["before the key is followed", holds("UPDATE data_keys SET state = 'retiring' WHERE key_id"), "before"],
    ["when the key is followed", holds("UPDATE data_keys SET state = 'retiring' WHERE key_id"), "answered"],
    ["before its successor is there", holds("INSERT INTO data_keys"), "before"],
    ["when its successor is there", holds("INSERT INTO data_keys"), "answered"],
    ["before the event", holds("keys.rotated"), "before"],
    ["before the commit", commitOf("keys.rotated"), "before"]
  ] as const

  it("has rotated it with its audit row and event, or not at all, and goes on with what was made before", async () => {
    const appName = `before-${purpose}`
    const register = () => client.ask("demo", "application.register", { appName }, withKey(appName))
    const registered = await withRepetitions(register)
    assert.strictEqual(registered.status, 201, JSON.stringify(registered.body))

    for (const [name, is, when] of places) {
      await keysAreSettled()
      const before = await stored()
      await killedAt(name, is, when, () => rotateNamed(name))
      await keysAreAsAudited(`${purpose}: killed ${name}`)
      assert.deepStrictEqual(await stored(), before, `${purpose}: killed ${name}`)
      await start("one")
    }
    // Whoever asked does not know, and asks again: first where nothing was done, then where all of it was.
    const before = await rotations()
    const last = "before the commit"
    const done = await withRepetitions(() => rotateNamed(last))
    assert.deepStrictEqual([done.status, done.body.keyIds], [200, [activeOf(await keyRows(), purpose)]])
    assert.strictEqual((await rotations()) - before, 1)

    const unknown = "when the commit is done and nobody knows"
    await keysAreSettled()
    await killedAt(unknown, commitOf("keys.rotated"), "answered", () => rotateNamed(unknown))
    await keysAreAsAudited(`${purpose}: killed ${unknown}`)
    assert.strictEqual((await rotations()) - before, 2)
    await start("one")
    const repeated = await withRepetitions(() => rotateNamed(unknown))
    assert.deepStrictEqual([repeated.status, repeated.body.keyIds], [200, [activeOf(await keyRows(), purpose)]])
    assert.strictEqual((await rotations()) - before, 2)
    await keysAreAsAudited(`${purpose}: repeated`)
    await eventsAreAsAudited()

    // What was remembered by the first fingerprint key is found, and what was signed by the first signing key holds.
    const again = await withRepetitions(register)
    assert.deepStrictEqual([again.status, again.body], [registered.status, registered.body])
    const verified = await client.ask("global", "audit.verify", {})
    assert.deepStrictEqual([verified.status, verified.body.valid], [200, true], JSON.stringify(verified.body))
  }, 600_000)
})

describe("a service that is killed while it retires a key", () => {
  it("leaves no retired key without its audit row and event, nor one of these without it", async () => {
    const places = [
      ["before the key", holds("UPDATE data_keys k SET k.state = 'retired'"), "before"],
      ["before the commit", commitOf("keys.retired"), "before"],
      ["when the commit is done and nobody knows", commitOf("keys.retired"), "answered"]
    ] as const
    // Of those that do not retire by themselves for a day.
    for (let n = 0; n <= places.length; n++) {
      await eventually(
        () => client.admin("keys.rotate", { purpose: "audit-signing" }),
        ({ body }) => body.keyIds?.length === 1,
        { limitMs: 120_000, everyMs: 100, what: "a rotation of the audit's signing key" }
      )
    }
    const retiring = (await keyRows()).filter((key) => key.purpose === "audit-signing" && key.state === "retiring")
    // The youngest may go last of all: when it may, all others may.
    const [first, ...others] = retiring.map(({ id }) => id).toReversed()
    assert.isAtLeast(others.length, places.length)
    await eventually(
      () => client.admin("keys.retire", { keyId: first }),
      ({ status }) => status === 200,
      { limitMs: 120_000, everyMs: 100, what: "that nobody may write with the old keys any more" }
    )
    for (const [name, is, when] of places) {
      const keyId = others.pop()!
      const retireOnce = () => client.admin("keys.retire", { keyId }, withKey(name))
      await killedAt(name, is, when, retireOnce)
      await keysAreAsAudited(`killed ${name}`)
      await start("one")
      const repeated = await withRepetitions(retireOnce)
      assert.deepStrictEqual([repeated.status, repeated.body], [200, { keyId, state: "retired" }], name)
      await keysAreAsAudited(`repeated after it was killed ${name}`)
    }
    await eventsAreAsAudited()
  }, 300_000)
})

// ---- alive -------------------------------------------------------------------------

describe("keys.rotate of several replicas", () => {
  it("asked for many times at once, happens once", async () => {
    await start("two")
    const before = (await auditRows("keys.rotated")).length
    let startedAt = 0
    const answers = await eventually(
      () => {
        startedAt = performance.now()
        return Promise.all(Array.from({ length: 24 }, () => client.admin("keys.rotate")))
      },
      (all) => all.some(({ body }) => body.keyIds?.length > 0),
      { limitMs: 120_000, everyMs: 100, what: "a rotation" }
    )
    // A replica that gets too little of a busy machine for a second says 503, and has done nothing.
    assert.includeMembers([200, 503], Array.from(new Set(answers.map(({ status }) => status))))
    // Once, and once more for each second (CM_KEYS_ACTIVATION) that a busy machine took to answer all.
    const atMost = 1 + Math.floor((performance.now() - startedAt) / 1_000)
    const done = answers.filter(({ body }) => body.keyIds?.length > 0)
    assert.isAtMost(done.length, atMost)
    const keys = await keyRows()
    assert.deepInclude(
      done.map(({ body }) => body.keyIds),
      purposes.map((purpose) => activeOf(keys, purpose))
    )
    assert.strictEqual((await auditRows("keys.rotated")).length - before, done.length)
    await keysAreAsAudited("many at once")
    await eventsAreAsAudited()
  }, 300_000)

  it("repeated by an idempotency key when the new keys are long in use, gives the first answer and does nothing", async () => {
    const name = "a key to be repeated"
    const first = await eventually(
      () => client.admin("keys.rotate"),
      ({ body }) => body.keyIds?.length === 2,
      { limitMs: 120_000, everyMs: 100, what: "that keys can be rotated" }
    ).then(() => rotateWith(name))
    assert.deepStrictEqual(first.body, { keyIds: [], tenants: 0 }, "rotated a moment ago")
    await rotated("in use")
    const again = await rotateWith(name)
    assert.deepStrictEqual([again.status, again.body], [200, first.body])

    let n = 0
    const done = await eventually(
      () => rotateWith(`in use ${n++}`),
      ({ body }) => body.keyIds?.length === 2,
      { limitMs: 120_000, everyMs: 100, what: "a rotation" }
    )
    // Another rotation happens after it, so the keys of the first are long in use.
    await rotated("after it")
    // Tenants' keys are made whenever one is needed.
    const rotatedSoFar = async () => [
      (await keyRows())
        .filter(({ purpose }) => purpose !== "tenant-data")
        // Some that nothing needs retire by themselves meanwhile.
        .map(({ id, purpose, state }) => [id, purpose, state === "active"]),
      await auditRows("keys.rotated")
    ]
    const before = await rotatedSoFar()
    for (let repetition = 0; repetition < 6; repetition++) {
      const repeated = await rotateWith(`in use ${n - 1}`)
      assert.deepStrictEqual([repeated.status, repeated.body], [200, done.body])
    }
    assert.deepStrictEqual(await rotatedSoFar(), before)
    const other = await withRepetitions(() => client.admin("keys.rotate", " {}", withKey(name)))
    assert.deepStrictEqual([other.status, other.code], [422, "IDEMPOTENCY_KEY_REUSED"])
  }, 300_000)
})

describe("with tables that cannot be counted now", () => {
  it("keys are rotated and the answer comes; how far the moving of rows is, is known when they can be", async () => {
    const registered = await withRepetitions(() => client.ask("demo", "application.register", { appName: "app" }))
    assert.strictEqual(registered.status, 201, JSON.stringify(registered.body))
    const items = Array.from({ length: 300 }, (_, n) => ({ endpointId: `e${n}` }))
    const provision = () => client.ask("demo", "token.provision-batch", { appName: "app", items })
    const provisioned = await withRepetitions(provision)
    assert.strictEqual(provisioned.status, 200, JSON.stringify(provisioned.body))
    const other = await connectSql(database.url)
    try {
      await eventually(
        () => client.admin("keys.status"),
        ({ body }) => body.state === "idle",
        { limitMs: 120_000, what: "that all rows are moved" }
      )
      await other.query("LOCK TABLES tokens WRITE, credential_versions WRITE")
      await rotated("uncounted")
    } finally {
      await other.query("UNLOCK TABLES")
      await other.end()
    }
    const status = await eventually(
      () => client.admin("keys.status"),
      ({ body }) => body.state === "idle",
      { limitMs: 120_000, what: "that all rows are moved" }
    )
    assert.isAtLeast(status.body.total, items.length)
    assert.strictEqual(status.body.done, status.body.total)
    const rows: ReadonlyArray<{ readonly moved: bigint; readonly total: bigint; readonly ended: unknown }> =
      await eventually(
        () => raw.query("SELECT moved, total, ended_at AS ended FROM key_rotation"),
        ([row]) => row?.ended !== null,
        { what: "the end of the run" }
      )
    assert.strictEqual(rows[0]?.moved, rows[0]?.total, "each row was counted once and moved once")
    await keysAreAsAudited("uncounted")
  }, 300_000)
})
