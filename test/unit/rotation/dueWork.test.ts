// Verifies R-RUN-16, R-TOK-4.
/** Which work wakes which loop: each goes on when its own work is found, and asks nothing while there is none. */
import { assert, describe, it } from "@effect/vitest"
import { ConfigProvider, Effect, Latch, Layer } from "effect"
import { TestClock } from "effect/testing"
import { ClientSweeps } from "../../../src/actors/clients/ClientSweeps.ts"
import { CredentialsConfig } from "../../../src/actors/credentials/CredentialsConfig.ts"
import { Refresher } from "../../../src/actors/credentials/Refresher.ts"
import { CredentialSweeps } from "../../../src/actors/credentials/Sweeps.ts"
import { KeyErasure } from "../../../src/actors/keys/KeyErasure.ts"
import { TenantsConfig } from "../../../src/actors/tenant/TenantsConfig.ts"
import { TokenEnder } from "../../../src/actors/tokens/TokenEnder.ts"
import { CryptoConfig } from "../../../src/crypto/CryptoConfig.ts"
import * as KeyMover from "../../../src/crypto/KeyMover.ts"
import { Keyring } from "../../../src/crypto/Keyring.ts"
import { MasterKey } from "../../../src/crypto/MasterKey.ts"
import { TenantKeys } from "../../../src/crypto/TenantKeys.ts"
import { Replica, replicaOf } from "../../../src/observability/Replica.ts"
import { Shutdown } from "../../../src/observability/Shutdown.ts"
import * as ClientSweep from "../../../src/rotation/ClientSweep.ts"
import * as CredentialExpirySweep from "../../../src/rotation/CredentialExpirySweep.ts"
import * as ExpirySweep from "../../../src/rotation/ExpirySweep.ts"
import * as KeyErasureSweep from "../../../src/rotation/KeyErasureSweep.ts"
import * as NumberSweep from "../../../src/rotation/NumberSweep.ts"
import { RefreshConfig } from "../../../src/rotation/RefreshConfig.ts"
import * as RefreshLoop from "../../../src/rotation/RefreshLoop.ts"
import * as RemovalSweep from "../../../src/rotation/RemovalSweep.ts"
import * as RevokeAllSweep from "../../../src/rotation/RevokeAllSweep.ts"
import { SweepConfig } from "../../../src/rotation/SweepConfig.ts"
import { type Ages, DueWork, type Work } from "../../../src/store/DueWork.ts"
import { KeyRotationStore } from "../../../src/store/KeyRotationStore.ts"
import { RefreshStore } from "../../../src/store/RefreshStore.ts"
import { Sweeps } from "../../../src/store/Sweeps.ts"
import { keyringOf } from "../../support/validationWorld.ts"

const ends = ["expire", "end overlaps", "notify", "purge credentials"]
/** What is asked for when there may be some of it. */
const goesOn: Readonly<Record<Exclude<Work, "applications out of service">, ReadonlyArray<string>>> = {
  "tokens that ended": ["ended tokens"],
  "applications or tenants that were removed": ["orphaned tokens", "purge removed", "purge clients", ...ends],
  "answers that are too old": ["purge answers"],
  "open revocations of populations": ["open populations"],
  "keys of removed tenants": ["erase keys"],
  "keys of the service that were followed": ["retire keys"],
  "rows or keys to be moved": ["claim the moving"],
  "erased keys that rows need": ["claim the moving"],
  "numbers that ran away": ["put numbers back"],
  "credentials that ended": ends,
  "overlaps that are over": ends,
  "notices to be given": ends,
  "refreshes that are due": ["pick refreshes"]
}

const environment = ConfigProvider.layer(ConfigProvider.fromEnvRecord({}))

const world = Effect.gen(function* () {
  const asked = new Set<string>()
  const seekers: Array<{ readonly work: ReadonlyArray<Work>; readonly some: Latch.Latch }> = []
  const sought: Array<Ages> = []
  const asking = <A>(name: string, answer: A) =>
    Effect.as(
      Effect.sync(() => asked.add(name)),
      answer
    )
  const parts = Layer.mergeAll(
    Layer.succeed(DueWork, {
      seek: ({ ages, work }) =>
        Effect.sync(() => {
          if (ages !== undefined) sought.push(ages)
          const some = Latch.makeUnsafe()
          seekers.push({ work, some })
          return Effect.andThen(some.await, Effect.asVoid(some.close))
        })
    }),
    Layer.mock(Sweeps, {
      hold: () => Effect.succeed(true),
      claim: () => asking("claim the moving", false),
      release: () => Effect.void,
      endedTokens: () => asking("ended tokens", []),
      orphanedTokens: () => asking("orphaned tokens", []),
      purgeRemoved: asking("purge removed", { applications: 0, tenants: 0 }),
      purgeIdempotent: () => asking("purge answers", 0),
      putNumbersBack: asking("put numbers back", [])
    }),
    Layer.mock(TokenEnder, { openRevokeAlls: () => asking("open populations", []) }),
    Layer.mock(KeyRotationStore, {}),
    Layer.succeed(
      Keyring,
      keyringOf(["k1"], () => true)
    ),
    Layer.mock(MasterKey, { activeId: "m", fingerprints: [] }),
    Layer.mock(TenantKeys, {}),
    Layer.mock(KeyErasure, { erase: asking("erase keys", 0), retire: asking("retire keys", 0) }),
    Layer.mock(CredentialSweeps, {
      expire: asking("expire", 0),
      endOverlaps: asking("end overlaps", 0),
      notify: asking("notify", 0),
      purge: asking("purge credentials", 0),
      measure: Effect.void
    }),
    Layer.mock(ClientSweeps, { purge: asking("purge clients", 0) }),
    Layer.mock(RefreshStore, { pick: () => asking("pick refreshes", { refs: [], more: false }) }),
    Layer.mock(Refresher, { waitingUnsafe: () => 0 }),
    Layer.succeed(Replica, replicaOf("cm", "one")),
    Shutdown.layer,
    Layer.mergeAll(
      CredentialsConfig.layer,
      CryptoConfig.layer,
      RefreshConfig.layer,
      SweepConfig.layer,
      TenantsConfig.layer
    ).pipe(Layer.provide(environment))
  )
  yield* Layer.build(
    Layer.mergeAll(
      ClientSweep.layer,
      CredentialExpirySweep.layer,
      ExpirySweep.layer,
      KeyErasureSweep.layer,
      KeyMover.layer,
      NumberSweep.layer,
      RefreshLoop.layer,
      RemovalSweep.layer,
      RevokeAllSweep.layer
    ).pipe(Layer.provide(parts))
  )
  const tell = (work: Work) => {
    for (const seeker of seekers) if (seeker.work.includes(work)) Latch.openUnsafe(seeker.some)
  }
  return { asked, sought, tell }
})

describe("loops for work that is hardly ever there", () => {
  it.effect("look by themselves at the start, and then when a look has found theirs", () =>
    Effect.gen(function* () {
      const { asked, tell } = yield* world
      yield* TestClock.adjust("1 millis")
      assert.sameMembers(Array.from(asked), Array.from(new Set(Object.values(goesOn).flat())))
      asked.clear()
      yield* TestClock.adjust("1 hour")
      assert.isEmpty(asked)
      for (const [work, names] of Object.entries(goesOn)) {
        tell(work as Work)
        yield* TestClock.adjust("1 millis")
        assert.sameMembers(Array.from(asked), [...names], work)
        asked.clear()
      }
      yield* TestClock.adjust("1 hour")
      assert.isEmpty(asked)
    })
  )

  it.effect("say how old what they look for may be, by the settings", () =>
    Effect.gen(function* () {
      const { sought } = yield* world
      const days = 86_400_000
      assert.deepStrictEqual(Object.assign({}, ...sought), {
        ...{ answersMs: days, retentionMs: 30 * days, noticeMs: 30 * days },
        ...{ masterKeyId: "m", sealUsesMax: KeyMover.sealUsesMax }
      })
    })
  )
})
