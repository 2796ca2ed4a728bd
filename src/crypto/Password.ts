/**
 * Passwords at rest: Argon2id (RFC 9106), as PHC text.
 *
 *     $argon2id$v=19$m=19456,t=2,p=1$<salt, base64>$<hash, base64>
 *
 * Hashing costs 19 MiB and some tens of milliseconds on purpose, off the main thread. So few run at a
 * time, few may wait, and the rest is refused at once (`PasswordsBusy`): a flood of wrong passwords
 * costs memory and time within bounds. `verify` without a hash does the same work and answers false,
 * so that how long it takes tells nobody whether a name exists. Making hashes takes one turn at most, and
 * its waiting is its own, so that who makes many credentials keeps no login out.
 *
 * What a hash takes on this machine is measured a moment after the start, which it would take a core from, and with each one since.
 */
import { type Argon2Parameters, argon2, randomBytes, timingSafeEqual } from "node:crypto"
import { Clock, Context, Effect, Layer, Metric, Redacted, Schema, Semaphore } from "effect"

export class PasswordsBusy extends Schema.TaggedError<PasswordsBusy>()("PasswordsBusy", {}) {}

/** Cost of new hashes: memory in KiB, passes. The second choice of OWASP's password storage sheet, 2024. */
const cost = { memory: 19_456, passes: 2, parallelism: 1 } as const
/** What a stored hash may cost: room for dearer ones than today's. One that says more would take the process's memory, or a turn for hours. */
const costMax = { memory: 262_144, passes: 16, parallelism: 4 } as const
const saltBytes = 16
const hashBytes = 32
/** Hashes under way at a time: half of Node's pool of four threads. */
export const concurrencyMax = 2
/** How many may wait for their turn: as many to be made, as many to be verified. */
export const waitingMax = 32
/** Behind a start, of which it would measure what else is done in it. */
const firstMeasuredAfter = "1 second"
/** How much of what a hash took last goes into what one is expected to take. */
const newShare = 0.2

const hashSeconds = Metric.gauge("cm_password_hash_seconds", { description: "What a password hash takes, a mean" })
/** UTF-8 bytes. Longer ones are refused at the door; here they die. */
export const passwordBytesMax = 1_024

interface Phc {
  readonly memory: number
  readonly passes: number
  readonly parallelism: number
  readonly salt: Buffer
  readonly hash: Buffer
}

const phcPattern =
  /^\$argon2id\$v=19\$m=(\d{1,7}),t=(\d{1,2}),p=(\d{1,2})\$([A-Za-z0-9+/]{22,86})\$([A-Za-z0-9+/]{43,86})$/u

const bare = (bytes: Uint8Array): string => Buffer.from(bytes).toString("base64").replace(/=+$/u, "")

const format = ({ hash, memory, parallelism, passes, salt }: Phc): string =>
  `$argon2id$v=19$m=${memory},t=${passes},p=${parallelism}$${bare(salt)}$${bare(hash)}`

/** Null for what this module did not write. */
const parse = (text: string): Phc | null => {
  const [, memory, passes, parallelism, salt, hash] = phcPattern.exec(text) ?? []
  if (salt === undefined || hash === undefined) return null
  const said = { memory: Number(memory), passes: Number(passes), parallelism: Number(parallelism) }
  if (said.memory > costMax.memory || said.passes > costMax.passes || said.parallelism > costMax.parallelism)
    return null
  return {
    ...said,
    salt: Buffer.from(salt, "base64"),
    hash: Buffer.from(hash, "base64")
  }
}

const derive = (password: Redacted.Redacted, phc: Omit<Phc, "hash">, tagLength: number): Effect.Effect<Buffer> =>
  Effect.callback((resume) => {
    const message = Buffer.from(Redacted.value(password), "utf8")
    if (message.byteLength > passwordBytesMax) throw new Error("the password is too long to hash")
    const { memory, parallelism, passes, salt } = phc
    const parameters: Argon2Parameters = { message, nonce: salt, memory, passes, parallelism, tagLength }
    argon2("argon2id", parameters, (error, derived) => {
      message.fill(0)
      resume(error === null ? Effect.succeed(derived) : Effect.die(error))
    })
  })

export class Password extends Context.Service<
  Password,
  {
    readonly hash: (password: Redacted.Redacted) => Effect.Effect<string, PasswordsBusy>
    /** `stored` is what `hash` gave, or null when there is nobody of that name: then false, as slowly. */
    readonly verify: (password: Redacted.Redacted, stored: string | null) => Effect.Effect<boolean, PasswordsBusy>
    /** Whether it was made at less than today's cost, and is to be made anew when its password is there. */
    readonly isOutdated: (stored: string) => boolean
    /** Milliseconds from the end of one verification to that of the next when all turns are taken; 0 before the first. */
    readonly eachMs: () => number
  }
>()("cm/crypto/Password") {
  static readonly layer = Layer.effect(
    this,
    Effect.gen(function* () {
      const clock = yield* Clock.Clock
      const context = yield* Effect.context<never>()
      const turns = Semaphore.makeUnsafe(concurrencyMax)
      let meanMs = 0
      const measured = <A>(work: Effect.Effect<A>): Effect.Effect<A> =>
        Effect.suspend(() => {
          const began = clock.monotonicTimeNanosUnsafe()
          return Effect.tap(work, () =>
            Effect.sync(() => {
              const tookMs = Number(clock.monotonicTimeNanosUnsafe() - began) / 1e6
              meanMs = meanMs <= 0 ? tookMs : meanMs + (tookMs - meanMs) * newShare
              hashSeconds.updateUnsafe(meanMs / 1_000, context)
            })
          )
        })
      /** A bounded line of its own to the turns that all share, of which it has so many at a time. */
      const line = (turnsMax: number) => {
        const own = Semaphore.makeUnsafe(turnsMax)
        let waiting = 0
        return <A>(work: Effect.Effect<A>): Effect.Effect<A, PasswordsBusy> =>
          Effect.suspend(() => {
            if (waiting >= waitingMax + concurrencyMax) return Effect.fail(new PasswordsBusy())
            waiting += 1
            // Once begun it cannot be taken back, so its turn lasts until it is done.
            return own.withPermit(turns.withPermit(Effect.uninterruptible(measured(work)))).pipe(
              Effect.ensuring(
                Effect.sync(() => {
                  waiting -= 1
                })
              )
            )
          })
      }
      const [toBeMade, toBeVerified] = [line(1), line(concurrencyMax)]
      const nobody: Phc = { ...cost, salt: randomBytes(saltBytes), hash: randomBytes(hashBytes) }

      // Nobody waits for it: until then as many may wait as there is room for.
      yield* measured(derive(Redacted.make(""), nobody, hashBytes)).pipe(
        Effect.andThen(
          Effect.suspend(() =>
            Effect.logInfo("password hashes are measured", {
              millisecondsEach: Math.round(meanMs),
              firstLoginsPerSecond: Math.round((1_000 * concurrencyMax) / Math.max(meanMs, 0.1))
            })
          )
        ),
        Effect.delay(firstMeasuredAfter),
        Effect.forkScoped
      )

      return Password.of({
        eachMs: () => meanMs / concurrencyMax,
        isOutdated: (stored) => {
          const known = parse(stored)
          return known !== null && (known.memory < cost.memory || known.passes < cost.passes)
        },
        hash: (password) => {
          const salt = randomBytes(saltBytes)
          const made = Effect.map(derive(password, { ...cost, salt }, hashBytes), (hash) =>
            format({ ...cost, salt, hash })
          )
          return toBeMade(made)
        },
        verify: (password, stored) => {
          const known = stored === null ? nobody : parse(stored)
          if (known === null) return Effect.die(new Error("a stored password hash is not one of ours"))
          return toBeVerified(
            Effect.map(
              derive(password, known, known.hash.byteLength),
              (derived) => timingSafeEqual(derived, known.hash) && stored !== null
            )
          )
        }
      })
    })
  )
}
