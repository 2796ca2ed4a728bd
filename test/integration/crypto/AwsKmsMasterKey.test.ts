import { assert, describe, it } from "@effect/vitest"
import { ConfigProvider, Effect, Layer } from "effect"
import * as AwsKmsMasterKey from "../../../src/crypto/AwsKmsMasterKey.ts"
import { CryptoConfig } from "../../../src/crypto/CryptoConfig.ts"
import { MasterKey } from "../../../src/crypto/MasterKey.ts"
import { masterKeySuite } from "../../suites/masterKeySuite.ts"
import { key, remoteMasterKeySuite } from "../../suites/remoteMasterKeySuite.ts"
import { kmsKeyArn, startKmsStub } from "../../support/kmsStub.ts"

// The SDK takes credentials from its own sources; these are none of anybody's.
process.env.AWS_ACCESS_KEY_ID = "AKIDEXAMPLE"
process.env.AWS_SECRET_ACCESS_KEY = "example"
process.env.AWS_EC2_METADATA_DISABLED = "true"

const layerOf = (env: Record<string, string>) =>
  Layer.fresh(AwsKmsMasterKey.layer).pipe(
    Layer.provide(Layer.fresh(CryptoConfig.layer)),
    Layer.provide(ConfigProvider.layer(ConfigProvider.fromEnvRecord({ CM_AWS_KMS_KEY: kmsKeyArn, ...env })))
  )
const stubbed = Effect.acquireRelease(Effect.promise(startKmsStub), (stub) => Effect.promise(stub.stop))

masterKeySuite(
  "AWS KMS, its SDK against a stub",
  Layer.unwrap(Effect.map(stubbed, (stub) => layerOf({ CM_AWS_KMS_ENDPOINT: stub.address })))
)

/** `timeout` is short only where an answer never comes. */
const setup = Effect.fnUntraced(function* (timeout = "10 seconds") {
  const stub = yield* stubbed
  const env = { CM_AWS_KMS_ENDPOINT: stub.address, CM_MASTER_KEY_TIMEOUT: timeout }
  const context = yield* Layer.build(layerOf(env))
  return { stub, master: yield* MasterKey.pipe(Effect.provide(context)) }
})

describe("AwsKmsMasterKey", () => {
  remoteMasterKeySuite(setup)

  it.live("what does not pass by itself is not tried again, and named", () =>
    Effect.gen(function* () {
      const { master, stub } = yield* setup()
      const cases = [
        ["AccessDeniedException", "Denied"],
        ["DisabledException", "Denied"],
        ["KMSInvalidStateException", "Denied"],
        ["NotFoundException", "UnknownKey"]
      ] as const
      for (const [name, reason] of cases) {
        stub.faults.always = name
        const before = stub.seen.length
        const error = yield* master.wrap("place", key).pipe(Effect.flip)
        assert.deepStrictEqual([error.reason, error.isRetryable, stub.seen.length - before], [reason, false, 1])
      }
    })
  )

  it.live("the place of a key is its encryption context", () =>
    Effect.gen(function* () {
      const { master, stub } = yield* setup()
      yield* master.wrap("tenant-data/acme/k1", key)
      assert.deepStrictEqual(
        stub.seen.map(({ context }) => context),
        [{ "cm-key": "tenant-data/acme/k1" }]
      )
    })
  )

  it.live("without a key's ARN it does not start, and says which setting is missing", () =>
    Effect.gen(function* () {
      const error = yield* Layer.build(layerOf({ CM_AWS_KMS_KEY: "" })).pipe(Effect.flip)
      assert.include(error.message, "CM_AWS_KMS_KEY")
    })
  )
})
