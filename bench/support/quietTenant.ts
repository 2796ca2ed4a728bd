/** A tenant that asks a little at a time, one request after the other: the p99 of what it does. */
import type { Client } from "../../test/support/client.ts"
import { must } from "./ground.ts"
import { p99 } from "./report.ts"

export const quietTenant = "fair-quiet"
export const works = ["validate", "get", "provision and revoke"] as const
export type Work = (typeof works)[number]
export type Times = Readonly<Record<Work, number>>

const timed = async (times: Array<number>, work: () => Promise<unknown>): Promise<void> => {
  const before = performance.now()
  await work()
  times.push(performance.now() - before)
}

/** Nothing of it may be refused. */
export const quietTimes = async (client: Client, milliseconds: number): Promise<Times> => {
  const { token, tokenId } = await must(client, quietTenant, "token.provision", {
    appName: quietTenant,
    endpointId: "known"
  })
  await client.validate(quietTenant, token)
  const times: Record<Work, Array<number>> = { validate: [], get: [], "provision and revoke": [] }
  const until = performance.now() + milliseconds
  let n = 0
  while (performance.now() < until) {
    for (let more = 0; more < 8; more++) {
      await timed(times.validate, async () => {
        const { statusCode } = await client.validate(quietTenant, token)
        if (statusCode !== 200) throw new Error(`a validation of the quiet tenant was answered ${statusCode}`)
      })
      await timed(times.get, () => must(client, quietTenant, "token.get", { tokenId }))
    }
    await timed(times["provision and revoke"], async () => {
      const body = { appName: quietTenant, endpointId: `q${n++ % 500}` }
      const made = await must(client, quietTenant, "token.provision", body)
      await must(client, quietTenant, "token.delete", { tokenId: made.tokenId })
    })
  }
  await must(client, quietTenant, "token.delete", { tokenId })
  return {
    validate: p99(times.validate),
    get: p99(times.get),
    "provision and revoke": p99(times["provision and revoke"])
  }
}
