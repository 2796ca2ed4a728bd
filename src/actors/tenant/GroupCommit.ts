/**
 * From a group of commands to their answers: one transaction, then what each answer waits for.
 *
 * Promises:
 * - an answer that says that a right is gone is given after that is in force on every replica:
 *   the change itself, "already so", and the repetition of an idempotent request alike;
 * - a command that breaks a constraint, dies, or needs a row that cannot be read takes nobody with it: the group is
 *   rolled back and its commands run one by one;
 * - an unknown outcome of the commit is answered `Unavailable` with `committed: null`, and what was
 *   touched is dropped from this replica's memory;
 * - `serve` never fails and never dies; it returns when everything is committed or refused.
 *   What still waits to be in force goes on outside and is awaited by `settled`.
 *
 * Longer than 300 lines because a group, its transaction and its answers are one promise.
 */
import { Cause, Context, Duration, Effect, Exit, FiberSet, Layer, Result } from "effect"
import { ValidationCache } from "../../cache/ValidationCache.ts"
import { Applier, Coherence } from "../../coherence/Coherence.ts"
import { Keyring } from "../../crypto/Keyring.ts"
import type { Refusal } from "../../domain/errors.ts"
import * as errors from "../../domain/errors.ts"
import { hotTokenOf } from "../../domain/HotToken.ts"
import { isInService } from "../../domain/Tenant.ts"
import type { Token } from "../../domain/Token.ts"
import * as Pieces from "../../observability/Pieces.ts"
import { CurrentTrace } from "../../observability/Tracing.ts"
import { OutboxSignal } from "../../store/OutboxSignal.ts"
import type { StoreUnavailable } from "../../store/StoreError.ts"
import {
  type Changes,
  type Decision,
  type IdempotentAnswer,
  type Loaded,
  TenantStore
} from "../../store/TenantStore.ts"
import { type AnyCommand, countOf, mergeLoads } from "./Command.ts"
import { Ids } from "./Ids.ts"
import { InForce } from "./InForce.ts"
import * as RememberedAnswer from "./RememberedAnswer.ts"
import * as RowTagging from "./RowTagging.ts"
import type { ChangeError } from "./Tenants.ts"
import { TenantsConfig } from "./TenantsConfig.ts"
import { EventWriter } from "./TokenEvents.ts"
import { Workspace } from "./Workspace.ts"

export type Answer = Result.Result<unknown, Refusal>

/** A command with its way back. Only the first call of `reply` counts. */
export interface Asked {
  readonly command: AnyCommand
  readonly reply: (exit: Exit.Exit<Answer, ChangeError>) => void
}

/** A command whose turn has come. */
interface Prepared {
  readonly command: AnyCommand
  readonly keyHashes: ReadonlyArray<string> | null
}

/** What became of one command in a group. */
type Decided =
  | { readonly _tag: "Answer"; readonly answer: Answer; readonly inForce: "now" | "with-this" | "earlier" }
  | { readonly _tag: "Repeated"; readonly before: IdempotentAnswer }

/** What a committed group leaves behind. */
interface Committed {
  readonly decided: ReadonlyArray<Decided>
  readonly workspace: Workspace
  readonly changes: Changes
}

export class GroupCommit extends Context.Service<
  GroupCommit,
  {
    readonly serve: (tenantId: string, group: ReadonlyArray<Asked>) => Effect.Effect<void>
    /** Returns when nothing waits to be in force any more. */
    readonly settled: Effect.Effect<void>
  }
>()("cm/actors/GroupCommit") {}

/** Provides `InForce` too. */
export const layer = Layer.effect(
  GroupCommit,
  Effect.gen(function* () {
    const config = yield* TenantsConfig
    const store = yield* TenantStore
    const inForce = yield* InForce
    const signal = yield* OutboxSignal
    const coherence = yield* Coherence
    const applier = yield* Applier
    const cache = yield* ValidationCache
    const keyring = yield* Keyring
    const events = yield* EventWriter
    const ids = yield* Ids
    // What was held until it is in force may leave when the store knows that.
    coherence.onInForceUnsafe((_tenantId, isOwn) => {
      if (isOwn) signal.wakeUnsafe()
    })
    const waiting = yield* FiberSet.make<void>()
    const fork = yield* FiberSet.runtime(waiting)<never>()
    const answersLiveMs = Duration.toMillis(config.idempotencyTtl)

    /** Under every fingerprint key that the answer of before may be found by, the one to remember by first. */
    const keyHashesOf = ({ caller }: AnyCommand): ReadonlyArray<string> | null => {
      const { idempotency, principal } = caller
      if (idempotency === null) return null
      return keyring.fingerprintAll("idempotency-key", principal, idempotency.operation, idempotency.key)
    }
    /** A replica that may not know the newest key could do a second time what another remembers by it. */
    const areStill = (command: AnyCommand, keyHashes: ReadonlyArray<string> | null): boolean =>
      keyHashes === null || (keyring.isCurrent() && keyHashesOf(command)?.join() === keyHashes.join())

    // ---- deciding, inside the transaction
    /** The answer from before, when the same key was used in time. */
    const repeated = (
      workspace: Workspace,
      { outlivesTenant = false }: AnyCommand,
      keyHash: string,
      fingerprint: string
    ): Decided | undefined => {
      const before = workspace.rememberedAnswer(keyHash)
      if (before === undefined || workspace.now - before.createdAt >= answersLiveMs) return undefined
      // Of a tenant that was removed, or created again: nobody's answer any more, but that it was removed.
      const bornAt = workspace.tenantRow?.createdAt ?? (outlivesTenant ? 0 : Number.POSITIVE_INFINITY)
      if (before.createdAt < bornAt) return undefined
      return before.fingerprint === fingerprint
        ? { _tag: "Repeated", before }
        : { _tag: "Answer", answer: Result.fail(new errors.IdempotencyKeyReused()), inForce: "now" }
    }

    /** Under whichever key it was remembered; those of the body are in the same order. */
    const repeatedAny = (
      workspace: Workspace,
      command: AnyCommand,
      keyHashes: ReadonlyArray<string>,
      body: Uint8Array
    ): Decided | undefined => {
      const fingerprints = keyring.fingerprintAll("idempotency-body", body)
      for (const [at, keyHash] of keyHashes.entries()) {
        const before = repeated(workspace, command, keyHash, fingerprints[at]!)
        if (before !== undefined) return before
      }
      return undefined
    }

    function* decideOne(
      workspace: Workspace,
      command: AnyCommand,
      keyHashes: ReadonlyArray<string> | null
    ): Pieces.Pieces<Decided> {
      const tenant = workspace.tenant(command.onRemovedTenant)
      const mayBeMissing = command.load.createsTenant === true
      const { idempotency } = command.caller
      if (Result.isFailure(tenant) && !mayBeMissing) {
        if (command.outlivesTenant === true && keyHashes !== null && idempotency !== null) {
          const before = repeatedAny(workspace, command, keyHashes, idempotency.body)
          if (before !== undefined) return before
        }
        // A removal is told, in whatever words, when it is in force.
        const inForce = workspace.isTenantRemoved ? "earlier" : "now"
        return { _tag: "Answer", answer: Result.fail(tenant.failure), inForce }
      }
      if (keyHashes === null || idempotency === null) return (yield* answered(workspace, command)).decided
      const before = repeatedAny(workspace, command, keyHashes, idempotency.body)
      if (before !== undefined) return before
      const [keyHash, fingerprint] = [keyHashes[0]!, keyring.fingerprint("idempotency-body", idempotency.body)]
      const { decided, provisional, revocationSeq } = yield* answered(workspace, command)
      if (provisional) return decided
      const place = { keyHash, fingerprint, revocationSeq, createdAt: workspace.now }
      const answer = RememberedAnswer.encode(decided.answer, saysOf(place))
      const sealedAnswer = keyring.seal(aadOf(workspace.tenantId, keyHash), answer)
      workspace.remember({ ...place, sealedAnswer })
      return decided
    }

    function* decideAll(
      prepared: ReadonlyArray<Prepared>,
      loaded: Loaded,
      holding: RowTagging.Holding,
      workspace: Workspace
    ): Pieces.Pieces<Decision<Committed>> {
      const { tenantId } = workspace
      const decided: Array<Decided> = []
      for (const { command, keyHashes } of prepared) {
        decided.push(yield* decideOne(workspace, command, keyHashes))
        yield
      }
      for (const entry of yield* events.ofFacts(workspace)) workspace.announce(entry)
      const changes = yield* RowTagging.tagged(tenantId, loaded, workspace.changes(), holding, keyring)
      return { changes, result: { decided, workspace, changes } }
    }

    function* prepareAll(group: ReadonlyArray<Asked>): Pieces.Pieces<ReadonlyArray<Prepared>> {
      const prepared: Array<Prepared> = []
      for (const { command: given } of group) {
        const command = given.prepare === undefined ? given : yield* given.prepare.make()
        prepared.push({ command, keyHashes: keyHashesOf(command) })
        yield
      }
      return prepared
    }

    /** Null: what a command was prepared with did not hold any more, and nothing was decided. */
    const transact = (
      tenantId: string,
      group: ReadonlyArray<Asked>,
      keep: (workspace: Workspace) => void
    ): Effect.Effect<Committed | null, StoreUnavailable | Refusal> =>
      Effect.flatMap(
        Pieces.run(
          sum(group, ({ command }) => command.prepare?.count ?? 1),
          prepareAll(group)
        ),
        (prepared) => transactPrepared(tenantId, group, prepared, keep)
      )

    const transactPrepared = (
      tenantId: string,
      group: ReadonlyArray<Asked>,
      prepared: ReadonlyArray<Prepared>,
      keep: (workspace: Workspace) => void
    ): Effect.Effect<Committed | null, StoreUnavailable | Refusal> => {
      const load = mergeLoads([
        ...prepared.map(({ command }) => command.load),
        { idempotencyKeyHashes: prepared.flatMap(({ keyHashes }) => keyHashes ?? []) }
      ])
      const decide = (loaded: Loaded): Decision<Committed | null> | Effect.Effect<Decision<Committed>> => {
        const holding = RowTagging.holdingIn(loaded, keyring)
        const workspace = new Workspace(tenantId, loaded, holding, ids.next)
        const holds = ({ command, keyHashes }: Prepared) =>
          command.stillHolds?.() !== false && areStill(command, keyHashes)
        if (!prepared.every(holds)) {
          return { changes: workspace.changes(), result: null }
        }
        keep(workspace)
        const count = Math.max(
          loaded.tokens.size,
          sum(prepared, ({ command }) => countOf(command))
        )
        const deciding = decideAll(prepared, loaded, holding, workspace)
        return count > Pieces.pieceMax ? Pieces.runLocked(count, deciding) : Pieces.atOnce(deciding)
      }
      return inTraceOf(group, store.transact(tenantId, load, decide)).pipe(
        Effect.catchTag("StatementRejected", (rejected) => {
          const refusal = prepared.length === 1 ? prepared[0]!.command.rejected?.() : undefined
          return refusal === undefined ? Effect.die(rejected) : Effect.fail(refusal)
        })
      )
    }

    // ---- answering, after the commit
    /** What was refused changed nothing, whatever the refusal waits for. */
    const whenEarlierInForce = (tenantId: string, seq: number, answer: Answer): Effect.Effect<void, ChangeError> =>
      inForce
        .upTo(tenantId, seq)
        .pipe(
          Effect.catchTag("StoreUnavailable", () =>
            Effect.fail(new errors.Unavailable({ part: "database", committed: !isRefused(answer) }))
          )
        )

    const replyWhen = (asked: Asked, ready: Effect.Effect<Answer, ChangeError>): void => {
      fork(Effect.exit(ready).pipe(Effect.tap(logDefect(asked)), Effect.map(asked.reply)))
    }

    const replyOne = (
      tenantId: string,
      asked: Asked,
      decided: Decided,
      barrier: Effect.Effect<void, ChangeError>,
      seqBefore: number
    ) => {
      if (decided._tag === "Repeated") {
        const { keyHash, revocationSeq, sealedAnswer } = decided.before
        const opened = Effect.orDie(keyring.open(aadOf(tenantId, keyHash), sealedAnswer)).pipe(
          Effect.map((bytes) => RememberedAnswer.decode<unknown>(bytes, saysOf(decided.before))),
          Effect.flatMap((answer) =>
            answer === null ? RowTagging.answerChanged(tenantId, keyHash) : Effect.succeed(answer)
          )
        )
        const told = (answer: Answer) =>
          revocationSeq === null
            ? Effect.succeed(answer)
            : Effect.as(whenEarlierInForce(tenantId, revocationSeq, answer), answer)
        return replyWhen(asked, Effect.flatMap(opened, told))
      }
      if (decided.inForce === "now") return asked.reply(Exit.succeed(decided.answer))
      // What it found gone may have been taken away by its own group.
      const ready =
        decided.inForce === "earlier"
          ? Effect.andThen(whenEarlierInForce(tenantId, seqBefore, decided.answer), barrier)
          : barrier
      return replyWhen(asked, Effect.as(ready, decided.answer))
    }

    const afterCommit = Effect.fnUntraced(function* (
      tenantId: string,
      group: ReadonlyArray<Asked>,
      { changes, decided, workspace }: Committed
    ) {
      const seqBefore = workspace.loaded.revocationSeq
      const appearance = workspace.appearance()
      if (appearance !== null) coherence.announceUnsafe(appearance)
      const { revocation } = changes
      const barrier =
        revocation === null
          ? Effect.void
          : yield* Effect.cached(
              Effect.mapError(coherence.putInForce(revocation), (): ChangeError => new errors.NotYetInForce())
            )
      for (const [index, asked] of group.entries()) replyOne(tenantId, asked, decided[index]!, barrier, seqBefore)
      // What is held until it is in force is announced then: a look before that finds nothing, and takes time from the barrier.
      if (changes.outbox.some(({ afterRevocation }) => !afterRevocation)) signal.wakeUnsafe()
      const readSeq = revocation?.seq ?? seqBefore
      // Its sequence is not older than a removal in the same or an earlier transaction, so nothing would disbelieve it.
      const isRemoved = changes.tenantRemoved || (workspace.loaded.tenant?.removedAt ?? null) !== null
      const changed = isRemoved ? [] : workspace.changedTokens().filter((token) => isCacheable(workspace, token))
      if (changed.length > 0) cache.putUnsafe(changed.map((token) => hotTokenOf(token, readSeq)))
    })

    /** A bug after the commit must not run the group again: it is told, and who has no answer learns that it is done. */
    const answerAll = (tenantId: string, group: ReadonlyArray<Asked>, committed: Committed): Effect.Effect<void> =>
      afterCommit(tenantId, group, committed).pipe(
        Effect.catchCause((cause) => {
          const done = Exit.fail(new errors.Unavailable({ part: "the answer", committed: true }))
          return Effect.andThen(
            Effect.logError("a group died after its commit", cause),
            Effect.sync(() => {
              for (const asked of group) asked.reply(done)
            })
          )
        })
      )

    /**
     * The commit may have happened: what it touched is dropped here. If it did, the relay puts it in force
     * everywhere. If it did not, its sequence is another's: none is remembered.
     */
    const dropTouched = (workspace: Workspace | undefined): void => {
      const revocation = workspace?.changes().revocation
      if (revocation === null || revocation === undefined) return
      applier.dropUnsafe(revocation.tenantId, revocation.targets)
      signal.wakeUnsafe()
    }

    const serve = (tenantId: string, group: ReadonlyArray<Asked>, isRepeated = false): Effect.Effect<void> => {
      let last: Workspace | undefined
      const keep = (workspace: Workspace) => {
        last = workspace
      }
      return Effect.flatMap(Effect.exit(Effect.suspend(() => transact(tenantId, group, keep))), (exit) => {
        if (Exit.isSuccess(exit)) {
          if (exit.value !== null) return answerAll(tenantId, group, exit.value)
          if (!isRepeated) return serve(tenantId, group, true)
          return group.length > 1 ? singly(tenantId, group) : unavailable(group, "keys", false)
        }
        const { cause } = exit
        const failure = Cause.findErrorOption(cause)
        if (failure._tag === "None") {
          return group.length > 1 ? singly(tenantId, group) : dieOne(group[0]!, cause)
        }
        const error = failure.value
        if (error._tag !== "StoreUnavailable")
          return Effect.sync(() => group[0]!.reply(Exit.succeed(Result.fail(error))))
        const committed = error.outcome === "unknown" ? null : false
        if (committed === null) dropTouched(last)
        // A row that cannot be read fails who names it, and not who revokes beside it.
        else if (error.isPassing === false && group.length > 1) return singly(tenantId, group)
        return unavailable(group, "database", committed)
      })
    }

    const singly = (tenantId: string, group: ReadonlyArray<Asked>): Effect.Effect<void> =>
      Effect.forEach(group, (asked) => serve(tenantId, [asked]), { discard: true })

    return { serve, settled: FiberSet.awaitEmpty(waiting) }
  })
).pipe(Layer.provideMerge(InForce.layer))

/** What is removed or out of service, or was changed by others, validates nowhere: nothing of it goes into the cache. */
const isCacheable = (workspace: Workspace, { appName, tokenId }: Token): boolean => {
  const application = workspace.application(appName)
  return application !== undefined && isInService(application) && workspace.holds.token(tokenId)
}

const sum = <A>(all: ReadonlyArray<A>, of: (one: A) => number): number => all.reduce((count, one) => count + of(one), 0)

const aadOf = (tenantId: string, keyHash: string) => `idempotency/${tenantId}/${keyHash}`

/** All that an answer's row says beside it: for which body it counts, until when, and what has to be in force before. */
const saysOf = ({ createdAt, fingerprint, revocationSeq }: Omit<IdempotentAnswer, "sealedAnswer">) =>
  `${fingerprint}/${revocationSeq}/${createdAt}`

/** Runs the decision; says what its answer waits for, and up to which sequence a repetition of it has to. */
function* answered(
  workspace: Workspace,
  command: AnyCommand
): Pieces.Pieces<{
  readonly decided: Decided & { _tag: "Answer" }
  provisional: boolean
  revocationSeq: number | null
}> {
  const { provisional, result, takesAway, waitsForEarlier } = yield* workspace.run(command, command.caller.trace)
  const decided = {
    _tag: "Answer",
    answer: result,
    inForce: takesAway ? "with-this" : waitsForEarlier ? "earlier" : "now"
  } as const
  const newestSeq = workspace.targetCount > 0 ? workspace.nextSeq : workspace.loaded.revocationSeq
  const revocationSeq = takesAway || waitsForEarlier ? newestSeq : null
  return { decided, provisional, revocationSeq }
}

/** Nothing of what it was asked for is done, by it or before it. */
const isRefused = (answer: Answer): boolean => {
  if (Result.isFailure(answer)) return true
  const each = Array.isArray(answer.success) ? answer.success : []
  return each.length > 0 && each.every((one) => Result.isResult(one) && Result.isFailure(one))
}

/** A group is one transaction: it stands in the first trace, and is linked to the others. */
const inTraceOf = <A, E>(group: ReadonlyArray<Asked>, work: Effect.Effect<A, E>): Effect.Effect<A, E> => {
  const [parent, ...also] = group.flatMap(({ command: { caller } }) =>
    caller.trace?.sampled === true ? [caller.trace] : []
  )
  return parent === undefined ? work : Effect.provideService(work, CurrentTrace, { parent, also })
}

const logDefect = (asked: Asked) => (exit: Exit.Exit<unknown, unknown>) =>
  Exit.isFailure(exit) && Cause.hasDies(exit.cause)
    ? Effect.logError(`${asked.command.name} died after its commit`, exit.cause)
    : Effect.void

const dieOne = (asked: Asked, cause: Cause.Cause<unknown>): Effect.Effect<void> =>
  Effect.logError(`${asked.command.name} died`, cause).pipe(
    Effect.andThen(Effect.sync(() => asked.reply(Exit.failCause(cause as Cause.Cause<never>))))
  )

const unavailable = (group: ReadonlyArray<Asked>, part: string, committed: false | null): Effect.Effect<void> =>
  Effect.sync(() => {
    for (const asked of group) asked.reply(Exit.fail(new errors.Unavailable({ part, committed })))
  })
