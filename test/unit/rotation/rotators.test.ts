// Verifies R-ROT-5, R-ROT-8.
/** What the two kinds of rotators do at the edge: whom they speak to, in what way, with which of the secrets, how long. */
import { createServer, type Server, type Socket } from "node:net"
import { assert, describe, it } from "@effect/vitest"
import { createCurve } from "@nats-io/nkeys"
import type { NatsConnection } from "@nats-io/transport-node"
import { Context, Deferred, Effect, Fiber, Layer } from "effect"
import { CurveBox } from "../../../src/crypto/CurveBox.ts"
import type { Secret } from "../../../src/domain/CredentialShape.ts"
import { builtInRotators, type KnownRotator, type RotatorFields } from "../../../src/domain/Rotator.ts"
import { mariadbUser } from "../../../src/rotation/MariadbUser.ts"
import { done, type StepAnswer, type StepQuestion } from "../../../src/rotation/RotatorStep.ts"
import { webhook } from "../../../src/rotation/Webhook.ts"

const current: Secret = { username: "app_a", password: "planted-in-force" }
const fresh: Secret = { username: "app_b", password: "planted-new-one" }
const question = (over: Partial<StepQuestion>): StepQuestion => ({
  rotator: builtInRotators.get("mariadb-user")!,
  use: { rotator: "mariadb-user", everyMs: 86_400_000, params: { user_a: "app_a", user_b: "app_b" } },
  tenantId: "demo",
  credentialId: "c1",
  type: "basic",
  generation: 1,
  step: "test",
  current,
  secret: fresh,
  inUse: new Set(["app_a", "app_b"]),
  mayBegin: Effect.succeed(60_000),
  ...over
})

// ---- a database ----------------------------------------------------------------------

/** The first packet of a MariaDB that has no TLS (https://mariadb.com/kb/en/connection, "initial handshake packet"). */
const greeting = (): Buffer => {
  const body = Buffer.concat([
    Buffer.from([10]),
    Buffer.from("11.4.2-MariaDB\0"),
    Buffer.from([1, 0, 0, 0]),
    Buffer.from("12345678\0"),
    // Long passwords, protocol 4.1, transactions, secure connection; not 0x0800, which is TLS.
    Buffer.from([0x01, 0xa2, 45, 2, 0, 0x08, 0x00, 21]),
    Buffer.alloc(10),
    Buffer.from("abcdefghijkl\0"),
    Buffer.from("mysql_native_password\0")
  ])
  return Buffer.concat([Buffer.from([body.length, 0, 0, 0]), body])
}

const listening = Effect.acquireRelease(
  Effect.promise(
    () =>
      new Promise<{ readonly port: number; readonly heard: Array<Buffer>; connections: number; server: Server }>(
        (resolve) => {
          const sockets = new Set<Socket>()
          const state = { port: 0, heard: [] as Array<Buffer>, connections: 0, server: createServer() }
          state.server.on("connection", (socket) => {
            state.connections++
            sockets.add(socket)
            socket.on("error", () => socket.destroy())
            socket.write(greeting())
            socket.on("data", (bytes) => {
              state.heard.push(bytes)
              socket.destroy()
            })
          })
          state.server.listen(0, "0.0.0.0", () => {
            const address = state.server.address() as { readonly port: number }
            resolve(Object.assign(state, { port: address.port }))
          })
        }
      )
  ),
  ({ server }) => Effect.sync(() => server.close())
)

describe("mariadb-user", () => {
  const asked = (host: string, port: number, allowedHosts: ReadonlySet<string>, over: Secret = {}) => {
    const reached = { host, port: String(port), ...over }
    return mariadbUser(question({ current: { ...current, ...reached }, secret: { ...fresh, ...reached } }), {
      allowedHosts,
      timeoutMs: 5_000,
      marginMs: 100
    })
  }

  it.live(
    "says nothing to a database off loopback that has no TLS, nor to one that is to have another authority's",
    () =>
      Effect.scoped(
        Effect.gen(function* () {
          const database = yield* listening
          const { port } = database
          const everywhere = new Set([`127.0.0.1:${port}`, `0.0.0.0:${port}`])
          // On Linux this address reaches this machine, and is not loopback.
          for (const [host, over] of [
            ["0.0.0.0", {}],
            ["127.0.0.1", { ca: "-----BEGIN CERTIFICATE-----" }]
          ] as const) {
            const answer = yield* asked(host, port, everywhere, over)
            assert.strictEqual(answer._tag, "Failed", host)
            assert.strictEqual(Buffer.concat(database.heard).length, 0, `${host} was told nothing`)
          }
          yield* asked("127.0.0.1", port, everywhere)
          assert.include(Buffer.concat(database.heard).toString("latin1"), "app_b", "on loopback it speaks")
        })
      )
  )

  it.live("does not connect to a database that the operator has taken off the list since", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const database = yield* listening
        const { port } = database
        for (const listed of [[], [`127.0.0.1:${port + 1}`], ["127.0.0.1:3306"]]) {
          const answer = yield* asked("127.0.0.1", port, new Set(listed))
          assert.deepInclude(answer, { _tag: "Failed", reason: "blocked_url", permanent: false })
        }
        assert.strictEqual(database.connections, 0)
      })
    )
  )
})

// ---- a service on the bus --------------------------------------------------------------

const box = Effect.map(Layer.build(CurveBox.layer), (built) => Context.get(built, CurveBox))

interface Heard {
  readonly subject: string
  readonly timeoutMs: number
  readonly secrets: Record<string, Secret>
}

/** The texts of secrets that a conversation had in memory, and whether its key is forgotten. */
interface Kept {
  readonly plaintexts: Array<Uint8Array>
  isEnded: boolean
}
const watched = (curveBox: CurveBox["Service"], kept: Kept): CurveBox["Service"] => ({
  ...curveBox,
  conversation: () => {
    const conversation = curveBox.conversation()
    const keeping = <A extends Uint8Array | null>(plaintext: A): A => {
      if (plaintext !== null) kept.plaintexts.push(plaintext)
      return plaintext
    }
    return {
      ...conversation,
      seal: (recipient, plaintext) => conversation.seal(recipient, keeping(plaintext)),
      open: (sealed, from) => keeping(conversation.open(sealed, from)),
      end: () => {
        conversation.end()
        kept.isEnded = true
      }
    }
  }
})

/** What it answers; `seal` for whoever asked. */
type Said = string | ((seal: (value: unknown) => { readonly sealed: string; readonly sealed_by: string }) => string)

const serviceThat = (answer: Said | Error, more: Partial<RotatorFields> = {}, cut?: () => void) => {
  const key = createCurve()
  const kept: Kept = { plaintexts: [], isEnded: false }
  const heard: Array<Heard> = []
  const connection = {
    request: async (subject: string, payload: Uint8Array, { timeout }: { readonly timeout: number }) => {
      const { secrets } = JSON.parse(Buffer.from(payload).toString()) as {
        readonly secrets: Record<string, { readonly sealed: string; readonly sealed_by: string }>
      }
      const opened = Object.entries(secrets).map(([name, { sealed, sealed_by }]) => [
        name,
        JSON.parse(Buffer.from(key.open(Buffer.from(sealed, "base64"), sealed_by)!).toString())
      ])
      heard.push({ subject, timeoutMs: timeout, secrets: Object.fromEntries(opened) })
      if (answer instanceof Error) throw answer
      if (cut !== undefined) {
        cut()
        return new Promise(() => {})
      }
      const [asker] = Object.values(secrets).map(({ sealed_by }) => sealed_by)
      const seal = (value: unknown) => {
        const sealed = key.seal(Buffer.from(typeof value === "string" ? value : JSON.stringify(value)), asker!)
        return { sealed: Buffer.from(sealed).toString("base64"), sealed_by: key.getPublicKey() }
      }
      return { data: Buffer.from(typeof answer === "string" ? answer : answer(seal)) }
    }
  } as unknown as NatsConnection
  const definition: RotatorFields = { name: "crm", seal_to: key.getPublicKey(), ...more }
  const rotator: KnownRotator = {
    name: "crm",
    kind: "webhook",
    origin: "tenant",
    entry: {
      tenantId: "demo",
      name: "crm",
      version: 1,
      definition,
      updatedAt: 1
    }
  }
  const ask = (over: Partial<StepQuestion>, timeoutMs = 1_000): Effect.Effect<StepAnswer> =>
    Effect.scoped(
      Effect.flatMap(box, (curveBox) =>
        webhook(question({ rotator, ...over }), {
          connection,
          instance: "cm",
          curveBox: watched(curveBox, kept),
          timeoutMs
        })
      )
    )
  return { ask, heard, kept }
}
const yes = JSON.stringify({ ok: true })

describe("webhook", () => {
  it.effect("sends each step the secret that it is about", () =>
    Effect.gen(function* () {
      const { ask, heard } = serviceThat(yes)
      for (const step of ["set", "test", "undo", "retire"] as const) yield* ask({ step })
      yield* ask({ step: "prepare", secret: null })
      assert.deepStrictEqual(
        heard.map(({ secrets, subject }) => [subject, secrets.old?.password, secrets.new?.password]),
        [
          ["cm.rotators.v1.crm.set", current.password, fresh.password],
          ["cm.rotators.v1.crm.test", current.password, fresh.password],
          ["cm.rotators.v1.crm.undo", current.password, fresh.password],
          // What is to go is the old one, and what is handed out the new one.
          ["cm.rotators.v1.crm.retire", fresh.password, current.password],
          ["cm.rotators.v1.crm.prepare", current.password, undefined]
        ]
      )
    })
  )

  it.effect("is waited for no longer than its own time, nor than the claim lasts, and not asked after that", () =>
    Effect.gen(function* () {
      const { ask, heard } = serviceThat(yes)
      yield* ask({ mayBegin: Effect.succeed(60_000) }, 1_000)
      yield* ask({ mayBegin: Effect.succeed(300) }, 1_000)
      assert.deepStrictEqual(
        heard.map(({ timeoutMs }) => timeoutMs),
        [1_000, 300]
      )
      assert.deepStrictEqual(yield* ask({ mayBegin: Effect.succeed(null) }), { _tag: "Late" })
      assert.strictEqual(heard.length, 2)
    })
  )

  const unsure = new Error("the connection is closed")
  const late = Object.assign(new Error("too late"), { name: "TimeoutError" })
  it.effect("that says nothing was not reached, or not in time: it is asked again", () =>
    Effect.gen(function* () {
      const nobody = { _tag: "Failed", permanent: false } as const
      assert.deepInclude(yield* serviceThat(unsure).ask({}), { ...nobody, reason: "provider_down" })
      assert.deepInclude(yield* serviceThat(late).ask({}), { ...nobody, reason: "timeout" })
    })
  )

  it.effect("says no for good where it says so in one word, and for now otherwise", () =>
    Effect.gen(function* () {
      for (const [permanent, isForGood] of [
        [true, true],
        [false, false],
        ["true", false],
        [1, false],
        [undefined, false]
      ] as const) {
        const answer = yield* serviceThat(JSON.stringify({ ok: false, permanent, reason: "busy" })).ask({})
        assert.deepInclude(answer, { _tag: "Failed", reason: "unknown", permanent: isForGood }, String(permanent))
      }
    })
  )

  it.effect("leaves nothing of a secret behind in memory, whatever came of the question", () =>
    Effect.gen(function* () {
      const answers = [
        (seal: (value: unknown) => unknown) =>
          JSON.stringify({ ok: true, secrets: { old: seal(current), new: seal(fresh) } }),
        (seal: (value: unknown) => unknown) => JSON.stringify({ ok: true, secrets: { new: seal("no JSON") } }),
        unsure
      ]
      for (const answer of answers) {
        const { ask, kept } = serviceThat(answer)
        yield* ask({ step: "set" })
        assert.isAtLeast(kept.plaintexts.length, answer === unsure ? 2 : 3)
        for (const plaintext of kept.plaintexts) assert.isTrue(plaintext.every((byte) => byte === 0))
        assert.isTrue(kept.isEnded)
      }
      const asked = Deferred.makeUnsafe<void>()
      const { ask, kept } = serviceThat(yes, {}, () => Deferred.doneUnsafe(asked, Effect.void))
      const asking = yield* Effect.forkChild(ask({ step: "set" }))
      yield* Deferred.await(asked)
      yield* Fiber.interrupt(asking)
      assert.strictEqual(kept.plaintexts.length, 2)
      assert.isTrue(kept.isEnded, "of one that is cut, too")
    })
  )

  it.effect("is believed up to 64 KiB, and not a byte beyond", () =>
    Effect.gen(function* () {
      const ofBytes = (bytes: number) => `${yes}${" ".repeat(bytes - yes.length)}`
      assert.strictEqual((yield* serviceThat(ofBytes(65_536)).ask({}))._tag, "Done")
      const beyond = yield* serviceThat(ofBytes(65_537)).ask({})
      assert.deepInclude(beyond, { _tag: "Failed", reason: "malformed_answer", permanent: false })
    })
  )

  const told = { _tag: "Failed", reason: "malformed_answer" } as const
  it.effect("that says two things at once says nothing: the step is done again", () =>
    Effect.gen(function* () {
      const said = [
        '{"ok":false,"permanent":true,"reason":"refused","ok":true}',
        '{"ok":true,"ok":false,"permanent":true,"reason":"refused"}',
        '{"ok":true,"ok":true}',
        '{"ok":false,"\\u006fk":true}',
        '{"ok":true,"secrets":{},"secrets":{}}'
      ]
      for (const step of ["prepare", "set", "test", "undo", "retire"] as const) {
        for (const one of said) {
          const answer = yield* serviceThat(one).ask(step === "prepare" ? { step, secret: null } : { step })
          assert.deepInclude(answer, { ...told, permanent: false }, `${step} ${one}`)
        }
      }
    })
  )

  it.effect("that names a secret which was not sent is not believed; one that was sent may be named", () =>
    Effect.gen(function* () {
      const answers = (secrets: unknown): Said => JSON.stringify({ ok: true, secrets })
      const sealing =
        (secrets: Readonly<Record<string, unknown>>): Said =>
        (seal) =>
          JSON.stringify({
            ok: true,
            secrets: Object.fromEntries(Object.entries(secrets).map(([name, one]) => [name, seal(one)]))
          })
      const refused: ReadonlyArray<Said> = [
        answers({ new: fresh }),
        answers({ new: "plain" }),
        answers({ new: { sealed: "AAAA", sealed_by: "XAAAA" } }),
        answers("plain"),
        answers([]),
        sealing({ new: { ...fresh, password: "another" } }),
        sealing({ new: "no JSON" }),
        sealing({ new: current }),
        sealing({ other: fresh })
      ]
      for (const one of refused) {
        for (const step of ["set", "test"] as const) {
          assert.deepInclude(yield* serviceThat(one).ask({ step }), { ...told, permanent: false }, String(one))
        }
      }
      const believed: ReadonlyArray<Said> = [answers(null), answers({}), sealing({ old: current, new: fresh })]
      for (const one of believed) assert.deepStrictEqual(yield* serviceThat(one).ask({ step: "set" }), done())
    })
  )

  it.effect("is not asked for a secret that is made for it: one word is new, and all others are as they were", () =>
    Effect.gen(function* () {
      const { ask, heard } = serviceThat(yes, { generate: { length: 32, alphabet: "ab" } })
      const answer = yield* ask({ step: "prepare", secret: null })
      assert.isEmpty(heard)
      const { password, ...others } = (answer._tag === "Done" ? answer.secret : null) ?? {}
      assert.match(String(password), /^[ab]{32}$/u)
      assert.deepStrictEqual(others, { username: "app_a" })
    })
  )

  it.effect("makes a secret in `prepare` that every parser reads alike, or none", () =>
    Effect.gen(function* () {
      const prepared = (value: unknown) =>
        serviceThat((seal) => JSON.stringify({ ok: true, secrets: { new: seal(value) } })).ask({
          step: "prepare",
          secret: null
        })
      assert.deepStrictEqual(yield* prepared(fresh), done(fresh))
      const twice = JSON.stringify(fresh).replace("{", '{"password":"one",')
      for (const one of [twice, JSON.stringify({ ...fresh, password: "\ud800" }), "[]"]) {
        assert.deepInclude(yield* prepared(one), { ...told, permanent: true }, one)
      }
    })
  )
})
