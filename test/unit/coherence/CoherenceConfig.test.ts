import { Effect, Layer } from "effect"
import { describe, expect, it } from "vitest"
import { CoherenceConfig, timingOf } from "../../../src/coherence/CoherenceConfig.ts"
import { environment } from "../../support/bus.ts"

const read = (variables: Record<string, string>) =>
  Effect.runPromise(
    CoherenceConfig.pipe(
      Effect.map((settings) => ({ ...timingOf(settings) })),
      Effect.provide(CoherenceConfig.layer.pipe(Layer.provide(environment(variables)))),
      Effect.catch((error) => Effect.succeed(String(error.message)))
    )
  )

describe("settings of coherence", () => {
  it("are a lease of 3 s with a margin of a tenth unless told otherwise", async () => {
    expect(await read({})).toEqual({ leaseMs: 3_000, marginMs: 300 })
    expect(await read({ CM_LEASE: "1 second", CM_LEASE_MARGIN: "25" })).toEqual({ leaseMs: 1_000, marginMs: 250 })
  })

  it("stop the start when they do not fit together, and name the setting", async () => {
    expect(await read({ CM_LEASE: "7 seconds", CM_LEASES_AGE: "1 minute" })).toContain("CM_LEASES_AGE")
    expect(await read({ CM_LEASE: "6 seconds", CM_BARRIER_TIMEOUT: "8 seconds" })).toContain("CM_BARRIER_TIMEOUT")
  })
})
