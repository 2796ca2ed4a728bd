/**
 * One writer for each tenant, started on first use, put to sleep when idle.
 *
 * A tenant's changes wait in one bounded mailbox. The actor takes what waits, decides all of it in
 * one transaction (group commit) and answers each. The mailbox is held until the commit only: what
 * has to be in force everywhere before it is answered waits outside, so that one paused replica
 * does not stop a tenant.
 *
 * Promises:
 * - a full mailbox refuses at once with `TooManyRequests`; nothing waits for room;
 * - every accepted command is answered exactly once;
 * - a command that breaks a constraint or dies takes nobody with it: the group is rolled back and
 *   its commands run one by one; the one that dies is answered with its defect, the loop goes on;
 * - `drain` refuses new commands, finishes what was accepted, and returns when all is answered.
 */
import { Cause, Clock, Context, Duration, Effect, Exit, Fiber, Layer, Queue, Result } from "effect"
import * as errors from "../../domain/errors.ts"
import * as Deadlines from "../../observability/Deadlines.ts"
import * as Loop from "../../observability/Loop.ts"
import * as Answering from "./Answering.ts"
import type { Command } from "./Command.ts"
import type { Answer, Asked } from "./GroupCommit.ts"
import { GroupCommit } from "./GroupCommit.ts"
import type { ChangeError } from "./Tenants.ts"
import { TenantsConfig } from "./TenantsConfig.ts"

interface Cell {
  readonly tenantId: string
  readonly mailbox: Queue.Queue<Asked, Cause.Done>
  fiber: Fiber.Fiber<void> | undefined
  lastActiveMs: number
  busy: boolean
}

export class TenantActors extends Context.Service<
  TenantActors,
  {
    readonly ask: <A>(tenantId: string, command: Command<A>) => Effect.Effect<A, ChangeError>
    readonly isResidentUnsafe: (tenantId: string) => boolean
    readonly residentUnsafe: () => number
    readonly waitingUnsafe: () => number
    /** Refuses new commands and waits until all accepted ones are answered. */
    readonly drain: Effect.Effect<void>
  }
>()("cm/actors/TenantActors") {}

export const layer = Layer.effect(
  TenantActors,
  Effect.gen(function* () {
    const config = yield* TenantsConfig
    const commit = yield* GroupCommit
    const clock = yield* Clock.Clock
    const context = yield* Effect.context<never>()
    const run = Effect.runForkWith(context)
    const makeMailbox = () => Effect.runSyncWith(context)(Queue.dropping<Asked, Cause.Done>(config.mailboxCapacity))
    const cells = new Map<string, Cell>()
    /** Actors that are ending; a successor waits for its predecessor, so two never work at once. */
    const ending = new Map<string, Fiber.Fiber<void>>()
    let open = true

    /** Not a generator, which would keep the last group, and the secrets in it, until the next one comes. */
    const loop = (cell: Cell) => {
      const serve = (group: ReadonlyArray<Asked>) => {
        cell.busy = true
        return commit.serve(cell.tenantId, group)
      }
      const rest = () => {
        cell.busy = false
        cell.lastActiveMs = clock.currentTimeMillisUnsafe()
      }
      return Queue.takeBetween(cell.mailbox, 1, config.groupMax).pipe(
        Effect.flatMap(serve),
        Effect.map(rest),
        Effect.forever
      )
    }

    const spawn = (tenantId: string): Cell => {
      const cell: Cell = {
        tenantId,
        mailbox: makeMailbox(),
        fiber: undefined,
        lastActiveMs: clock.currentTimeMillisUnsafe(),
        busy: false
      }
      cells.set(tenantId, cell)
      const before = ending.get(tenantId)
      cell.fiber = run(
        (before === undefined ? Effect.void : Fiber.await(before)).pipe(
          Effect.andThen(loop(cell)),
          Effect.catchCause((cause) =>
            // The mailbox was ended and is empty: an orderly end. `serve` never fails and never dies.
            Cause.hasDies(cause) ? Effect.logError("tenant actor died", cause) : Effect.void
          ),
          Effect.ensuring(
            Effect.sync(() => {
              if (cells.get(tenantId) === cell) cells.delete(tenantId)
              if (ending.get(tenantId) === cell.fiber) ending.delete(tenantId)
            })
          ),
          Effect.annotateLogs({ tenantId })
        )
      )
      return cell
    }

    const retire = (cell: Cell): Fiber.Fiber<void> => {
      cells.delete(cell.tenantId)
      ending.set(cell.tenantId, cell.fiber!)
      Queue.endUnsafe(cell.mailbox)
      return cell.fiber!
    }

    const idleMs = Duration.toMillis(config.actorIdle)
    yield* Effect.sync(() => {
      const now = clock.currentTimeMillisUnsafe()
      for (const cell of cells.values()) {
        const idle = !cell.busy && Queue.sizeUnsafe(cell.mailbox) === 0
        if (idle && now - cell.lastActiveMs >= idleMs) retire(cell)
      }
    }).pipe(Effect.delay(config.actorIdle), (look) => Loop.forever("idle actors", look), Effect.forkScoped)

    const deadlines = yield* Deadlines.make("tenant actors", config.requestTimeout)
    const answering = yield* Answering.make
    const overdue = () => new errors.Unavailable({ part: "tenant", committed: null })
    const ask = <A>(tenantId: string, command: Command<A>) =>
      Effect.callback<A, ChangeError>((resume) => {
        if (!open) return resume(Effect.fail(new errors.Unavailable({ part: "replica is stopping", committed: false })))
        const end = deadlines.begin(() => resume(Effect.fail(overdue())))
        const reply: Asked["reply"] = (exit) => {
          end()
          answering.later(() => resume(Exit.isSuccess(exit) ? exitOf<A>(exit.value) : Exit.failCause(exit.cause)))
        }
        const cell = cells.get(tenantId) ?? spawn(tenantId)
        if (Queue.offerUnsafe(cell.mailbox, { command, reply })) return
        end()
        resume(Effect.fail(new errors.TooManyRequests({ limit: "mailbox" })))
      })

    const drain = Effect.suspend(() => {
      open = false
      const fibers = [...ending.values(), ...Array.from(cells.values(), retire)]
      return Effect.andThen(Fiber.awaitAll(fibers), Effect.andThen(commit.settled, answering.settled))
    })
    yield* Effect.addFinalizer(() => drain)

    return {
      ask,
      isResidentUnsafe: (tenantId) => cells.has(tenantId),
      residentUnsafe: () => cells.size,
      waitingUnsafe: () => Array.from(cells.values()).reduce((sum, cell) => sum + Queue.sizeUnsafe(cell.mailbox), 0),
      drain
    }
  })
)

/** What the command answers with is `A`. */
const exitOf = <A>(answer: Answer): Exit.Exit<A, errors.Refusal> =>
  Result.isSuccess(answer) ? Exit.succeed(answer.success as A) : Exit.fail(answer.failure)
